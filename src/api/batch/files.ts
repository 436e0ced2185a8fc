import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { fail } from '../../kernel/errors.ts';
import { callerOf, jobOf, type Api, type RouteContext } from '../api.ts';
import { jobParamsSchema } from '../contract/common.ts';
import { uploadQuerySchema } from '../contract/job-file.ts';
import { cutUnread, readBody } from '../read-body.ts';
import { BATCH_TAGS, uploadedSchema, type UploadedView } from './contract.ts';
import { readMultipart } from './read-multipart.ts';

/** Adds POST /jobs/{id}/files, the one route whose body is no JSON but multipart/form-data. */
export function addBatchFileRoute(app: Api, context: RouteContext): void {
  void app.register(async (scope) => addUpload(scope.withTypeProvider<ZodTypeProvider>(), context));
}

function addUpload(app: Api, { services }: RouteContext): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, _body, done) => done(null));
  cutUnread(app);

  app.post(
    '/jobs/:id/files',
    {
      config: { slowBody: true },
      schema: {
        tags: BATCH_TAGS,
        summary: 'Send files for a created job as multipart/form-data; the answer means that they are durable',
        consumes: ['multipart/form-data'],
        params: jobParamsSchema,
        querystring: uploadQuerySchema,
        response: { 201: uploadedSchema },
      },
    },
    async (request, reply) => {
      const contentType = request.headers['content-type'] ?? '';
      if (!/^multipart\/form-data\s*;/i.test(contentType)) {
        throw fail('unsupported-media-type', 'files are taken as multipart/form-data', {
          hint: "Send it like `curl --form 'file=@NAME'`.",
        });
      }
      const job = jobOf(request);
      const overwrite = request.query.overwrite === 'true';
      const files: UploadedView['files'] = [];
      const count = await readMultipart({
        contentType,
        body: readBody(request.raw),
        take: async ({ name, source }) => {
          const incoming = { name, source, overwrite, declaredBytes: null };
          const { file } = await services.receiveFile(job, incoming, callerOf(request).principal);
          files.push({ filename: file.name, fileSize: file.size, sha256: file.sha256 });
        },
      });
      if (count === 0) throw fail('bad-request', 'the body holds no file');
      return reply.code(201).send({ jobId: job.id, files });
    },
  );
}
