import { fail } from '../../kernel/errors.ts';
import { failpoint } from '../../kernel/failpoints.ts';
import type { Delivery } from '../../lifecycle/delivery.ts';
import type { DeliveryQuery } from '../../store/store.ts';
import { callerOf, type Api, type RouteContext } from '../api.ts';
import { DEFAULT_PAGE, noBodySchema, noQuerySchema, showTime } from '../contract/common.ts';
import {
  callbackSecretSchema,
  deliveryPageSchema,
  deliveryParamsSchema,
  deliveryQuerySchema,
  deliverySchema,
  type CallbackSecretView,
  type DeliveryView,
} from '../contract/delivery.ts';
import { decodeCursor, encodeCursor } from '../cursor.ts';
import type { Services } from '../services.ts';

const tags = ['callbacks'];

function presentDelivery(delivery: Delivery): DeliveryView {
  const { id, type, jobId, url, state, tries, redeliveries, lastStatus, lastError, version } = delivery;
  return {
    id,
    type,
    jobId,
    url,
    state,
    tries,
    redeliveries,
    nextAt: showTime(delivery.nextAt),
    lastStatus,
    lastError,
    createdAt: showTime(delivery.createdAt),
    finishedAt: showTime(delivery.finishedAt),
    version,
  };
}

function presentSecret({ current, previous }: ReturnType<Services['callbackSecret']>): CallbackSecretView {
  return { current, previous: previous.map(({ secret, until }) => ({ secret, until: showTime(until) })) };
}

/** Adds the routes of /v1/deliveries and of the secret messages are signed with. */
export function addDeliveryRoutes(app: Api, context: RouteContext): void {
  addDeliveryReads(app, context);
  addDeliveryCommands(app, context);
}

function addDeliveryReads(app: Api, { services }: RouteContext): void {
  const { store } = services;

  app.get(
    '/v1/deliveries',
    {
      schema: {
        tags,
        summary: 'Callback messages, newest first',
        querystring: deliveryQuerySchema,
        response: { 200: deliveryPageSchema },
      },
    },
    async (request) => {
      const { state, job: reference, cursor, limit } = request.query;
      const query: DeliveryQuery = { limit: limit ?? DEFAULT_PAGE };
      if (state !== undefined) query.state = state;
      if (reference !== undefined) query.jobId = await jobIdOf(services, reference);
      const from = decodeCursor('deliveries', cursor);
      if (from !== null) query.cursor = from;
      const { items, nextCursor } = await store.listDeliveries(query);
      const next = nextCursor === null ? null : encodeCursor('deliveries', nextCursor);
      return { items: items.map(presentDelivery), nextCursor: next };
    },
  );

  app.get(
    '/v1/callbacks/secret',
    {
      schema: {
        tags,
        summary: 'The secret messages are signed with',
        querystring: noQuerySchema,
        response: { 200: callbackSecretSchema },
      },
    },
    async () => presentSecret(services.callbackSecret()),
  );
}

function addDeliveryCommands(app: Api, { services }: RouteContext): void {
  app.post(
    '/v1/deliveries/:id/redeliver',
    {
      schema: {
        tags,
        summary: 'Send an ended message again, the same id and body, with new tries',
        params: deliveryParamsSchema,
        querystring: noQuerySchema,
        body: noBodySchema,
        response: { 200: deliverySchema },
      },
    },
    async (request) => {
      const delivery = await services.store.redeliver(request.params.id, callerOf(request).principal);
      failpoint('api.after-redeliver');
      return presentDelivery(delivery);
    },
  );

  app.post(
    '/v1/callbacks/secret/rotate',
    {
      schema: {
        tags,
        summary: 'Make a new secret; the one before still signs beside it for a day',
        querystring: noQuerySchema,
        body: noBodySchema,
        response: { 200: callbackSecretSchema },
      },
    },
    async (request) => presentSecret(await services.rotateCallbackSecret(callerOf(request).principal)),
  );
}

async function jobIdOf({ store }: Services, reference: string): Promise<string> {
  const job = /^[A-Za-z0-9_]{1,64}$/.test(reference) ? await store.findJob(reference) : null;
  if (job === null) throw fail('job-not-found', `no job "${reference}"`);
  return job.id;
}
