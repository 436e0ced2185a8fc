import type { ZodTypeProvider } from 'fastify-type-provider-zod';
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
import { cutUnread, readBody } from '../read-body.ts';

const tags = ['files'];

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
  cutUnread(app);

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

function presentFile({ name, size, sha256, overwrite, uploadedAt }: JobFile): JobFileView {
  return { name, size, sha256, overwrite, uploadedAt: showTime(uploadedAt) };
}
