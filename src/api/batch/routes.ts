/**
 * The batch API: the routes older clients know, over the same services as /v1 and with no logic of its own. It owns the
 * words (statuses, field names) and nothing else; what is not said in them is not offered here.
 */
import type { Api, RouteContext } from '../api.ts';
import { addAdminRoutes } from './admin.ts';
import { addBatchFileRoute } from './files.ts';
import { addBatchJobRoutes } from './jobs.ts';
import { addLoginRoute } from './login.ts';
import { addBatchRepositoryRoutes } from './repositories.ts';

/** Adds every route of the batch API. */
export function addBatchRoutes(app: Api, context: RouteContext): void {
  addLoginRoute(app, context);
  addBatchRepositoryRoutes(app, context);
  addBatchJobRoutes(app, context);
  addBatchFileRoute(app, context);
  addAdminRoutes(app, context);
}

/** Whether a path belongs to the batch API, also one below it that does not exist. */
export function isBatchPath(path: string): boolean {
  return /^\/(?:auth|repositories|jobs|api\/admin)(?:\/|$)/.test(path);
}
