import type { FastifyReply } from 'fastify';
import { jobOf, type Api, type RouteContext } from '../api.ts';
import { jobParamsSchema, noQuerySchema } from '../contract/common.ts';
import { textOf } from '../openapi.ts';
import { requireLegal, withLegal } from '../with-legal.ts';

const tags = ['jobs'];

/** Adds what hands the work of a job out: its branch as a bundle of git, and its patch. Reading changes nothing. */
export function addResultRoutes(app: Api, { services }: RouteContext): void {
  const common = { params: jobParamsSchema, querystring: noQuerySchema };

  app.get(
    '/v1/jobs/:id/bundle',
    {
      // A HEAD made from this route would make a whole bundle to answer nothing.
      exposeHeadRoute: false,
      schema: {
        ...common,
        tags,
        summary: 'Its branch `holdfast/<number>-<slug>` with the whole history, as a bundle of git',
        response: textOf('application/x-git-bundle', 'One branch; `holdfast-shallow` names where its history ends.'),
      },
    },
    async (request, reply: FastifyReply) => {
      const job = jobOf(request);
      const { stream, shallow } = await withLegal(services, job, () => {
        requireLegal(job, 'checkout');
        return services.bundleJob(job);
      });
      if (shallow.length > 0) reply.header('holdfast-shallow', shallow.join(' '));
      return reply.type('application/x-git-bundle').send(stream);
    },
  );

  app.get(
    '/v1/jobs/:id/patch',
    {
      exposeHeadRoute: false,
      schema: {
        ...common,
        tags,
        summary: 'What it changed, as a patch `git apply` takes, binary files whole',
        response: textOf('text/x-diff', 'The patch.'),
      },
    },
    async (request, reply: FastifyReply) => {
      const job = jobOf(request);
      const patch = await withLegal(services, job, async () => {
        requireLegal(job, 'apply');
        return services.patchJob(job);
      });
      return reply.type('text/x-diff').send(patch);
    },
  );
}
