import { fail, isError } from '../../kernel/errors.ts';
import type { Job } from '../../lifecycle/job.ts';
import { adviseOn } from '../../recovery/quarantine-advice.ts';
import type { QuarantineItem } from '../../store/quarantine-store.ts';
import { callerOf, type Api, type RouteContext } from '../api.ts';
import { DEFAULT_PAGE, noBodySchema, noQuerySchema, showTime } from '../contract/common.ts';
import {
  quarantineItemSchema,
  quarantinePageSchema,
  quarantineParamsSchema,
  quarantineQuerySchema,
  type QuarantineItemView,
} from '../contract/quarantine.ts';
import { decodeCursor, encodeCursor } from '../cursor.ts';

const tags = ['recovery'];

/** Whole jobs shown before the items; more than these wait for the ones before them. */
const MAX_JOBS = 200;

/** Adds GET /v1/quarantine and POST /v1/quarantine/{id}/release. */
export function addQuarantineRoutes(app: Api, { services }: RouteContext): void {
  const { store } = services;

  app.get(
    '/v1/quarantine',
    {
      schema: {
        tags,
        summary: 'What is damaged and set aside: whole jobs first, then records and files, oldest first',
        querystring: quarantineQuerySchema,
        response: { 200: quarantinePageSchema },
      },
    },
    async (request) => {
      const { cursor, limit, released } = request.query;
      const from = decodeCursor('quarantine', cursor);
      const page = await store.listQuarantine({
        limit: limit ?? DEFAULT_PAGE,
        released: released === 'true',
        ...(from === null ? {} : { cursor: from }),
      });
      const jobs = from === null ? (await store.listJobs({ state: 'quarantined', limit: MAX_JOBS })).items : [];
      return {
        items: [
          ...jobs.map((job) => presentQuarantinedJob(job, services.home.job(job.id))),
          ...page.items.map(presentItem),
        ],
        nextCursor: page.nextCursor === null ? null : encodeCursor('quarantine', page.nextCursor),
      };
    },
  );

  app.post(
    '/v1/quarantine/:id/release',
    {
      schema: {
        tags,
        summary: 'Release what is quarantined, having looked at it; what that does depends on its kind',
        params: quarantineParamsSchema,
        querystring: noQuerySchema,
        body: noBodySchema,
        response: { 200: quarantineItemSchema },
      },
    },
    async (request) => {
      const { id } = request.params;
      const actor = callerOf(request).principal;
      if (id.startsWith('quar_')) return presentItem(await store.releaseQuarantine(id, actor));
      const job = await services.releaseJob(id, actor).catch((error: unknown) => refuseUnknown(error, id));
      const view = presentQuarantinedJob(job, services.home.job(job.id));
      const over = { releasedAt: showTime(services.clock.now()), releasedBy: actor, resolution: 'requeued' as const };
      return {
        ...view,
        ...over,
        why: 'released',
        nextSafeAction: 'wait' as const,
        command: `holdfast wait ${job.number}`,
      };
    },
  );
}

function presentItem(item: QuarantineItem): QuarantineItemView {
  const { action: nextSafeAction, command, advice } = adviseOn(item);
  const { foundAt, releasedAt, ...rest } = item;
  return { ...rest, foundAt: showTime(foundAt), releasedAt: showTime(releasedAt), nextSafeAction, command, advice };
}

function presentQuarantinedJob(job: Job, path: string): QuarantineItemView {
  return {
    id: job.id,
    kind: 'quarantined_job',
    item: job.id,
    path,
    why: job.blocker ?? 'its evidence is damaged or contradicts itself',
    jobId: job.id,
    boot: null,
    foundAt: null,
    releasedAt: null,
    releasedBy: null,
    resolution: null,
    nextSafeAction: 'inspect_quarantine',
    command: `holdfast recovery quarantine release ${job.id}`,
    advice:
      'Releasing ends whatever lives of it, restores its row from its journal and queues it again; cancel it to give it up.',
  };
}

/** Whoever names something to release may have meant an item as well as a job. */
function refuseUnknown(error: unknown, id: string): never {
  if (!isError(error, 'job-not-found')) throw error;
  const hint = '`holdfast recovery quarantine` lists what there is.';
  throw fail('not-found', `nothing that is quarantined is called "${id}"`, { hint });
}
