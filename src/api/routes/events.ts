import type { FastifyRequest } from 'fastify';
import { fail } from '../../kernel/errors.ts';
import { callerOf, type Api, type RouteContext } from '../api.ts';
import { DEFAULT_PAGE } from '../contract/common.ts';
import { eventPageSchema, eventQuerySchema } from '../contract/event.ts';
import { decodeCursor, encodeCursor } from '../cursor.ts';
import { streamEvents } from '../event-stream.ts';
import { textOf } from '../openapi.ts';
import { presentEvent } from '../present.ts';
import type { Streams } from '../sse.ts';

/** Adds GET /v1/events: the journal as a live stream, or as a list for a client that asks for JSON. */
export function addEventRoute(app: Api, { services }: RouteContext, streams: Streams): void {
  const { store } = services;
  app.get(
    '/v1/events',
    {
      exposeHeadRoute: false,
      schema: {
        tags: ['events'],
        summary: 'The journal: server-sent events (id = sequence), or a list with Accept: application/json',
        querystring: eventQuerySchema,
        response: {
          200: {
            description: 'Frames BootFrame, Event and ByeFrame, or a page of Event.',
            content: {
              ...textOf('text/event-stream', '')[200].content,
              'application/json': { schema: eventPageSchema },
            },
          },
        },
      },
    },
    async (request, reply) => {
      const { after, cursor, limit = DEFAULT_PAGE } = request.query;
      if (wantsList(request)) {
        const from = cursor === undefined ? (after ?? 0) : Number(decodeCursor('events', cursor));
        const events = await store.listEvents({ after: from, limit: limit + 1 });
        const items = events.slice(0, limit).map(presentEvent);
        const last = items.at(-1);
        const nextCursor = events.length > limit && last ? encodeCursor('events', last.seq) : null;
        return reply.type('application/json; charset=utf-8').send({ items, nextCursor });
      }
      const start = readLastSeq(request) ?? after ?? (await store.getLastSeq());
      return streams.send(reply, {
        kind: 'events',
        caller: callerOf(request),
        make: (tools) => streamEvents(services, { start, tools }),
      });
    },
  );
}

function wantsList(request: FastifyRequest): boolean {
  const accept = request.headers.accept ?? '';
  return accept.includes('application/json') && !accept.includes('text/event-stream');
}

function readLastSeq(request: FastifyRequest): number | null {
  const id = request.headers['last-event-id'];
  if (id === undefined || id === '') return null;
  if (typeof id !== 'string' || !/^\d{1,15}$/.test(id))
    throw fail('bad-request', 'Last-Event-ID: not an id of this stream');
  return Number(id);
}
