import type { FastifyReply } from 'fastify';
import { fail } from '../../kernel/errors.ts';
import type { RefusalRecord } from '../../lifecycle/refusal.ts';
import type { EvidenceRecord, GateRecord } from '../../lifecycle/stage.ts';
import { jobOf, type Api, type RouteContext } from '../api.ts';
import { jobParamsSchema, noQuerySchema, showTime } from '../contract/common.ts';
import {
  evidencePageSchema,
  evidenceParamsSchema,
  gatePageSchema,
  type EvidenceView,
  type GateView,
  type RefusalView,
} from '../contract/ledger.ts';
import { textOf } from '../openapi.ts';

const tags = ['pipeline'];

/** Adds the routes of the ledger of a job: results of gates, and the evidence they rest on. */
export function addLedgerRoutes(app: Api, { services }: RouteContext): void {
  const common = { params: jobParamsSchema, querystring: noQuerySchema };

  app.get(
    '/v1/jobs/:id/gates',
    {
      schema: {
        ...common,
        tags,
        summary: 'List the results of gates and what was refused, oldest first',
        response: { 200: gatePageSchema },
      },
    },
    async (request) => {
      const { id } = jobOf(request);
      const [gates, refusals] = await Promise.all([services.store.listGates(id), services.store.listRefusals(id)]);
      return { items: gates.map(presentGate), nextCursor: null, refusals: refusals.map(presentRefusal) };
    },
  );

  app.get(
    '/v1/jobs/:id/evidence',
    { schema: { ...common, tags, summary: 'List the evidence, oldest first', response: { 200: evidencePageSchema } } },
    async (request) => {
      const evidence = await services.store.listEvidence(jobOf(request).id);
      return { items: evidence.map(presentEvidence), nextCursor: null };
    },
  );

  app.get(
    '/v1/jobs/:id/evidence/:sha256',
    {
      schema: {
        tags,
        summary: 'One piece of evidence, checked against its hash',
        params: evidenceParamsSchema,
        querystring: noQuerySchema,
        response: textOf('application/octet-stream', 'The bytes.'),
      },
    },
    async (request, reply: FastifyReply) => {
      const job = jobOf(request);
      const { sha256 } = evidenceParamsSchema.parse(request.params);
      const known = (await services.store.listEvidence(job.id)).some((one) => one.sha256 === sha256);
      if (!known) throw fail('not-found', `job ${job.number} has no evidence ${sha256}`);
      const bytes = await services.readEvidence(job, sha256);
      return reply.type('application/octet-stream').header('etag', `"${sha256}"`).send(bytes);
    },
  );
}

function presentGate({ id: _id, jobId: _jobId, recordedAt, ...gate }: GateRecord): GateView {
  return { ...gate, recordedAt: showTime(recordedAt) };
}

function presentRefusal({ id: _id, jobId: _jobId, recordedAt, ...refusal }: RefusalRecord): RefusalView {
  return { ...refusal, recordedAt: showTime(recordedAt) };
}

function presentEvidence({ id: _id, jobId: _jobId, recordedAt, ...evidence }: EvidenceRecord): EvidenceView {
  return { ...evidence, recordedAt: showTime(recordedAt) };
}
