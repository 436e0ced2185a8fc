import { fail } from '../../kernel/errors.ts';
import type { Job } from '../../lifecycle/job.ts';
import { callerOf, jobOf, type Api, type RouteContext } from '../api.ts';
import { jobParamsSchema } from '../contract/common.ts';
import { parseStreamId, type StreamPosition } from '../contract/stream-position.ts';
import { streamQuerySchema } from '../contract/stream.ts';
import { JobStream } from '../job-stream.ts';
import { textOf } from '../openapi.ts';
import type { Streams } from '../sse.ts';

/** Adds GET /v1/jobs/{id}/stream: output and states of a job, live, resumable across restarts. */
export function addStreamRoute(app: Api, { services }: RouteContext, streams: Streams): void {
  app.get(
    '/v1/jobs/:id/stream',
    {
      exposeHeadRoute: false,
      schema: {
        tags: ['output'],
        summary:
          'Follow a job: frames boot, output, state, end, and bye when the server ends a stream that is to be opened again; Last-Event-ID resumes without a gap or a repeat',
        params: jobParamsSchema,
        querystring: streamQuerySchema,
        response: textOf('text/event-stream', 'Frames BootFrame, OutputFrame, StateFrame, EndFrame and ByeFrame.'),
      },
    },
    async (request, reply) => {
      const job = jobOf(request);
      const position = readPosition(request.headers['last-event-id'], job);
      const stream = request.query.stream ?? 'stdout';
      return streams.send(reply, {
        kind: 'job',
        caller: callerOf(request),
        make: (tools) => new JobStream({ services, jobId: job.id, stream, position, tools }).frames(),
      });
    },
  );
}

function readPosition(lastId: string | string[] | undefined, job: Job): StreamPosition {
  if (lastId === undefined || lastId === '') return { attempt: 1, offset: 0, seq: 0 };
  const position = typeof lastId === 'string' ? parseStreamId(lastId) : null;
  if (position === null || position.attempt > Math.max(1, job.attempts)) {
    throw fail('bad-request', 'Last-Event-ID: not an id of this stream');
  }
  return position;
}
