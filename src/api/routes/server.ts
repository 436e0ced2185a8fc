import { fail } from '../../kernel/errors.ts';
import type { Api, RouteContext } from '../api.ts';
import { noQuerySchema } from '../contract/common.ts';
import {
  doctorQuerySchema,
  doctorSchema,
  healthSchema,
  notReadySchema,
  readySchema,
  versionSchema,
} from '../contract/server.ts';
import { describeApi, textOf } from '../openapi.ts';
import { PROBLEM_TYPE, toProblem } from '../problem.ts';

const tags = ['server'];

/** Adds what tells about the server itself: health, readiness, version, metrics, doctor and the OpenAPI document. */
export function addServerRoutes(app: Api, context: RouteContext): void {
  addHealth(app, context);
  addFacts(app, context);
}

function addHealth(app: Api, { services, stopping }: RouteContext): void {
  app.get(
    '/healthz',
    {
      config: { public: true, whileRecovering: true },
      schema: { tags, security: [], summary: 'The process answers', response: { 200: healthSchema } },
    },
    async () => ({ status: 'ok' as const }),
  );

  app.get(
    '/readyz',
    {
      config: { public: true, whileRecovering: true },
      schema: {
        tags,
        security: [],
        summary: 'Recovery has ended; 503 with the phase before',
        response: { 200: readySchema, 503: notReadySchema },
      },
    },
    async (_request, reply) => {
      const { ready, phase, degraded } = services.readiness();
      if (ready && !stopping.aborted) return { ready: true as const, phase, degraded };
      const detail = stopping.aborted ? 'the server is stopping' : `recovering, in phase ${phase}`;
      const problem = toProblem(fail('not-ready', detail), '/readyz');
      reply.code(503).header('retry-after', 1).type(PROBLEM_TYPE);
      return { ...problem, ready: false as const, phase, degraded };
    },
  );
}

function addFacts(app: Api, { services }: RouteContext): void {
  const config = { whileRecovering: true } as const;

  app.get(
    '/v1/version',
    {
      config,
      schema: { tags, summary: 'Version of the server', querystring: noQuerySchema, response: { 200: versionSchema } },
    },
    async () => ({
      name: 'holdfast' as const,
      version: services.version,
      api: 'v1' as const,
      bootId: services.bootId,
      node: process.version,
    }),
  );

  app.get(
    '/metrics',
    {
      config,
      schema: { tags, summary: 'Prometheus metrics', response: textOf('text/plain', 'Exposition format 0.0.4.') },
    },
    async (_request, reply) => reply.type('text/plain; version=0.0.4; charset=utf-8').send(await services.metrics()),
  );

  app.get(
    '/v1/doctor',
    {
      schema: {
        tags,
        summary: 'Check the installation',
        querystring: doctorQuerySchema,
        response: { 200: doctorSchema },
      },
    },
    async (request) => {
      const checks = await services.doctor({ deep: request.query.deep === 'true' });
      return { ok: checks.every((check) => check.level !== 'fail'), checks };
    },
  );

  app.get('/openapi.json', { schema: { hide: true } }, async (_request, reply) =>
    reply.type('application/json; charset=utf-8').send(describeApi(app)),
  );
}
