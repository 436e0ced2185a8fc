import { fail } from '../../kernel/errors.ts';
import type { Backup } from '../../lifecycle/backup.ts';
import { callerOf, type Api, type RouteContext } from '../api.ts';
import {
  backupPageSchema,
  backupParamsSchema,
  backupQuerySchema,
  backupSchema,
  newBackupSchema,
  presentBackup,
  type BackupView,
} from '../contract/backup.ts';
import { creatingHeadersSchema, noQuerySchema } from '../contract/common.ts';
import { creationRequest } from '../creation-request.ts';
import type { Services } from '../services.ts';

const tags = ['backups'];

/** Who holds the token of the home itself, which only its owner can read. */
const OWNER = 'local';

/**
 * Adds what makes backups and tells of them. A backup holds secrets and is written where the caller says, so only the owner
 * of the home may ask for one: whoever has the token of its file.
 */
export function addBackupRoutes(app: Api, { services }: RouteContext): void {
  const { store } = services;

  app.post(
    '/v1/backups',
    {
      schema: {
        tags,
        summary: 'Begin a backup of the home, on the machine of the server; jobs go on meanwhile',
        headers: creatingHeadersSchema,
        querystring: noQuerySchema,
        body: newBackupSchema,
        response: { 202: backupSchema },
      },
    },
    async (request, reply) => {
      const { principal } = callerOf(request);
      if (principal !== OWNER)
        throw fail('forbidden', 'a backup is made for the owner of the home: call with its own token');
      const asked = creationRequest(request, request.body);
      const wish = { path: request.body.path, actor: principal, request: asked };
      const { backup, replayed } = await services.beginBackup(wish);
      if (replayed) reply.header('idempotency-replayed', 'true');
      return reply.code(202).send(await present(services, backup));
    },
  );

  app.get(
    '/v1/backups',
    {
      schema: {
        tags,
        summary: 'The last backups, newest first',
        querystring: noQuerySchema,
        response: { 200: backupPageSchema },
      },
    },
    async () => {
      const items = await store.listBackups();
      return { items: await Promise.all(items.map((backup) => present(services, backup))), nextCursor: null };
    },
  );

  app.get(
    '/v1/backups/:id',
    {
      schema: {
        tags,
        summary: 'One backup, and how far it is',
        params: backupParamsSchema,
        querystring: backupQuerySchema,
        response: { 200: backupSchema },
      },
    },
    async (request) => {
      const { id } = request.params;
      await services.awaitBackup(id, request.query.waitMs ?? 0);
      const backup = await store.getBackup(id);
      if (backup === null) throw fail('not-found', `there is no backup "${id}"`);
      return present(services, backup);
    },
  );
}

async function present(services: Services, backup: Backup): Promise<BackupView> {
  const progress = services.progressOfBackup(backup.id);
  return presentBackup(backup, { progress, error: await services.awaitBackup(backup.id, 0) });
}
