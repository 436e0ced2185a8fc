import { z } from 'zod';
import { RESOURCE_KINDS, RESOURCE_STATES, type Resource } from '../../lifecycle/resource.ts';
import { cursorSchema, jobParamsSchema, limitSchema, pageOf, showTime, timeSchema } from './common.ts';

export const newResourceSchema = z
  .strictObject({
    kind: z.enum(RESOURCE_KINDS),
    target: z.string().min(1).max(4096).meta({
      description:
        'Name or id of a container or network, id of a process, or a path: absolute, or relative to the workspace.',
    }),
  })
  .meta({ id: 'NewResource' });

export const resourceSchema = z
  .strictObject({
    id: z.string(),
    jobId: z.string(),
    kind: z.enum(RESOURCE_KINDS),
    target: z.string().meta({ description: 'As it was named.' }),
    identity: z.string().meta({ description: 'What it was when it was registered; only that is ever removed.' }),
    state: z.enum(RESOURCE_STATES),
    tries: z.int(),
    note: z.string().nullable().meta({ description: 'Why it could not be removed, or how it went.' }),
    principal: z.string(),
    registeredAt: timeSchema,
    removingAt: timeSchema.nullable(),
    removedAt: timeSchema.nullable(),
    version: z.int(),
  })
  .meta({ id: 'Resource' });
export type ResourceView = z.infer<typeof resourceSchema>;

export const resourcePageSchema = pageOf(resourceSchema).meta({ id: 'ResourcePage' });

export const resourceQuerySchema = z.strictObject({ cursor: cursorSchema, limit: limitSchema });

export const resourceParamsSchema = jobParamsSchema.extend({ resource: z.string() });

export const resourceIdSchema = z.strictObject({ resource: z.string() });

export const removeResourceQuerySchema = z.strictObject({
  forget: z
    .enum(['true', 'false'])
    .optional()
    .meta({ description: '`true` stops looking after it without touching it; not with the token of a job.' }),
});

/** Returns a resource as the contract shows it. */
export function presentResource(resource: Resource): ResourceView {
  const { facts: _facts, request: _request, ...shown } = resource;
  return {
    ...shown,
    registeredAt: showTime(resource.registeredAt),
    removingAt: showTime(resource.removingAt),
    removedAt: showTime(resource.removedAt),
  };
}
