import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';
import { fail, isError } from '../../kernel/errors.ts';
import type { Job } from '../../lifecycle/job.ts';
import { jobOf, type Api, type RouteContext } from '../api.ts';
import { jobParamsSchema, noQuerySchema } from '../contract/common.ts';
import { openOutput } from '../open-output.ts';
import { textOf } from '../openapi.ts';
import type { Services } from '../services.ts';

const TYPE = 'text/markdown; charset=utf-8';

/**
 * Adds GET /v1/jobs/{id}/transcript. What was recorded is verified each time it is read, and is never sent when it is
 * not what was recorded; a job at work, or one of which nothing could be kept, is told from its output as it is now.
 */
export function addTranscriptRoute(app: Api, { services }: RouteContext): void {
  app.get(
    '/v1/jobs/:id/transcript',
    {
      exposeHeadRoute: false,
      schema: {
        tags: ['output'],
        summary: 'What the agents of a job said and did, as Markdown; ETag is the recorded sha256',
        params: jobParamsSchema,
        querystring: noQuerySchema,
        response: { ...textOf('text/markdown', 'The transcript.'), ...textOf('text/markdown', 'Unchanged.', 304) },
      },
    },
    async (request, reply: FastifyReply) => {
      const job = jobOf(request);
      const sha256 = job.state === 'running' ? null : job.transcriptSha256;
      reply.type(TYPE);
      if (sha256 === null) return reply.send(Readable.from(services.renderTranscript(job), { objectMode: false }));
      const { handle, size } = await openVerified(services, job, sha256);
      const etag = `"${sha256}"`;
      reply.header('etag', etag).header('cache-control', 'no-cache');
      const unchanged = request.headers['if-none-match'] === etag;
      if (unchanged || size === 0) await handle.close();
      if (unchanged) return reply.code(304).send();
      reply.header('content-length', size);
      return reply.send(readFirst(handle, size, true));
    },
  );
}

/** Returns the file open once this much of it was read and found to be what was recorded. Throws `transcript-corrupt`. */
async function openVerified(
  services: Services,
  job: Job,
  sha256: string,
): Promise<{ handle: FileHandle; size: number }> {
  const handle = await openOutput(services.home.transcript(job.id), services.home.jobs).catch((error: unknown) => {
    // What could not be opened for want of descriptors, say, has shown nothing about the transcript.
    if (isError(error, 'record-corrupt')) services.countTranscriptMismatch(job);
    throw error;
  });
  if (handle === null) throw mismatch(services, job, 'is missing');
  try {
    const { size } = await handle.stat();
    const found = await hashOf(handle, size);
    if (found === sha256) return { handle, size };
    throw mismatch(services, job, `has the sha256 ${found}, and ${sha256} was recorded`);
  } catch (error) {
    await handle.close();
    throw error;
  }
}

function mismatch(services: Services, job: Job, what: string): Error {
  services.countTranscriptMismatch(job);
  return fail('transcript-corrupt', `the transcript of job ${job.number} ${what}`);
}

/**
 * Reads no byte more: an agent that outlived its job may write into the file, and what is beyond the announced length would
 * break the next answer.
 */
function readFirst(handle: FileHandle, size: number, autoClose: boolean): Readable {
  return size === 0 ? Readable.from([]) : handle.createReadStream({ start: 0, end: size - 1, autoClose });
}

async function hashOf(handle: FileHandle, size: number): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of readFirst(handle, size, false)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
