import type { IncomingMessage } from 'node:http';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { fail } from '../../kernel/errors.ts';
import type { JobFile } from '../../lifecycle/job-file.ts';
import { callerOf, jobOf, type Api, type RouteContext } from '../api.ts';
import { jobParamsSchema, noQuerySchema, showTime } from '../contract/common.ts';
import {
  jobFilePageSchema,
  jobFileParamsSchema,
  jobFileSchema,
  uploadQuerySchema,
  type JobFileView,
} from '../contract/job-file.ts';
import { nothing } from '../openapi.ts';

const tags = ['files'];

/** Longest pause between two pieces of an upload, milliseconds: that of any other request as a whole. */
const STALL_MS = 30_000;
/** Time a client has to read why its upload was refused before the connection is cut, milliseconds. */
const LINGER_MS = 2000;

/** Adds the routes of the files that are sent for a job before it starts. */
export function addFileRoutes(app: Api, context: RouteContext): void {
  addFileReads(app, context);
  void app.register(async (scope) => addUpload(scope.withTypeProvider<ZodTypeProvider>(), context));
}

function addFileReads(app: Api, { services }: RouteContext): void {
  app.get(
    '/v1/jobs/:id/files',
    {
      schema: {
        tags,
        summary: 'List the files sent for a job',
        params: jobParamsSchema,
        querystring: noQuerySchema,
        response: { 200: jobFilePageSchema },
      },
    },
    async (request) => {
      const files = await services.store.listJobFiles(jobOf(request).id);
      return { items: files.map(presentFile), nextCursor: null };
    },
  );

  app.delete(
    '/v1/jobs/:id/files/:name',
    {
      schema: {
        tags,
        summary: 'Take a file back while the job is held',
        params: jobFileParamsSchema,
        querystring: noQuerySchema,
        response: { 204: nothing },
      },
    },
    async (request, reply) => {
      await services.dropFile(jobOf(request), request.params.name, callerOf(request).principal);
      return reply.code(204).send();
    },
  );
}

/** A scope of its own: here any content type is taken, and a body as it comes. */
function addUpload(app: Api, { services }: RouteContext): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, _body, done) => done(null));
  // What was refused before it had arrived is not read to its end, however long that is.
  app.addHook('onResponse', async ({ raw }) => {
    if (raw.complete) return;
    raw.resume();
    setTimeout(() => raw.socket.destroy(), LINGER_MS).unref();
  });

  app.put(
    '/v1/jobs/:id/files/:name',
    {
      config: { slowBody: true },
      schema: {
        tags,
        summary: 'Send a file for a held job: the body as it is; the answer means that it is durable',
        params: jobFileParamsSchema,
        querystring: uploadQuerySchema,
        response: { 200: jobFileSchema, 201: jobFileSchema },
      },
    },
    async (request, reply) => {
      const declared = request.headers['content-length'];
      const incoming = {
        name: request.params.name,
        overwrite: request.query.overwrite === 'true',
        declaredBytes: declared === undefined ? null : Number(declared),
        source: readBody(request.raw),
      };
      const { file, created } = await services.receiveFile(jobOf(request), incoming, callerOf(request).principal);
      return reply.code(created ? 201 : 200).send(presentFile(file));
    },
  );
}

/** Yields a body as it comes; throws `upload-stalled`. Leaving it early leaves the connection open for the answer. */
async function* readBody(raw: IncomingMessage): AsyncGenerator<Uint8Array> {
  const body = raw.iterator({ destroyOnReturn: false }) as AsyncIterator<Uint8Array>;
  for (;;) {
    const next = await orStalled(body.next());
    if (next.done === true) return;
    yield next.value;
  }
}

async function orStalled<T>(piece: Promise<T>): Promise<T> {
  const { promise: stall, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(fail('upload-stalled', `no byte came for ${STALL_MS} ms`)), STALL_MS);
  try {
    return await Promise.race([piece, stall]);
  } finally {
    clearTimeout(timer);
  }
}

function presentFile({ name, size, sha256, overwrite, uploadedAt }: JobFile): JobFileView {
  return { name, size, sha256, overwrite, uploadedAt: showTime(uploadedAt) };
}
