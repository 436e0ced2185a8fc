import type { FastifyReply } from 'fastify';
import { fail } from '../../kernel/errors.ts';
import { jobOf, type Api, type RouteContext } from '../api.ts';
import { outputQuerySchema } from '../contract/attempt.ts';
import { jobParamsSchema } from '../contract/common.ts';
import { parseByteRange } from '../byte-range.ts';
import { findOutput } from '../find-output.ts';
import { textOf } from '../openapi.ts';

/** Bytes read from the disk at once. */
const CHUNK_BYTES = 64 * 1024;

/** Adds GET /v1/jobs/{id}/output: the exact bytes of one stream, whole or one range of them. */
export function addOutputRoute(app: Api, { services }: RouteContext): void {
  app.get(
    '/v1/jobs/:id/output',
    {
      // A HEAD made from this route would read the whole file to answer nothing.
      exposeHeadRoute: false,
      schema: {
        tags: ['output'],
        summary: 'Output of an attempt as it was written; single byte ranges',
        params: jobParamsSchema,
        querystring: outputQuerySchema,
        response: { ...textOf('text/plain', 'The bytes.'), ...textOf('text/plain', 'One range of them.', 206) },
      },
    },
    async (request, reply) => {
      const { attempt, stream = 'stdout' } = request.query;
      const found = await findOutput(services, jobOf(request), { attempt: attempt ?? null, stream });
      const { handle, size } = found;
      // We give no validator a client could name in If-Range, so such a range never fits: the whole is right then.
      const header = request.headers['if-range'] === undefined ? request.headers.range : undefined;
      const range = parseByteRange(header, size);
      reply.header('accept-ranges', 'bytes').header('holdfast-attempt', found.attempt);
      if (range === 'unsatisfiable') {
        await handle?.close();
        reply.header('content-range', `bytes */${size}`);
        throw fail('bad-range', `${header} lies outside of ${size} bytes`);
      }
      const { start, end } = range === 'whole' ? { start: 0, end: size - 1 } : range;
      if (range !== 'whole') reply.code(206).header('content-range', `bytes ${start}-${end}/${size}`);
      reply.type('text/plain; charset=utf-8').header('content-length', end - start + 1);
      if (handle === null || size === 0) {
        await handle?.close();
        return reply.send('');
      }
      const bytes = handle.createReadStream({ start, end, highWaterMark: CHUNK_BYTES });
      return (reply as FastifyReply).send(bytes);
    },
  );
}
