import { z } from 'zod';
import { argvSchema } from './argv.ts';
import { limitsSchema, pageOf, timeSchema } from './common.ts';

/** Names people type: no separators, no dots alone, nothing an option parser could take for a flag. */
const NAME = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$/;

export const nameSchema = z
  .string()
  .refine((name) => NAME.test(name), {
    error: 'use letters, digits, dots, dashes and underscores; at most 64 characters, no dot or dash first',
    params: { code: 'bad-name' },
  })
  .meta({ pattern: NAME.source });

const branchSchema = z
  .string()
  .max(255)
  .refine(isBranchName, 'not a branch name')
  .meta({ description: 'Base branch, without refs/heads/.' });

/** What git itself refuses in a branch name, and a leading dash, which could be taken for an option. */
function isBranchName(name: string): boolean {
  if (/[\s~^:?*[\\\x00-\x1f\x7f]|\.\.|@\{|\/\/|\/$|\.$/.test(name)) return false;
  return name.split('/').every((part) => /^[^.-]/.test(part) && !part.endsWith('.lock')) && name !== '@';
}

export const sourceSchema = z
  .string()
  .min(1)
  .max(4096)
  .refine((text) => !/[\x00-\x1f\x7f]/.test(text), 'contains a control character')
  .meta({ description: 'Absolute path on the server, https:// URL or ssh address.' });

const reviewerSchema = z.strictObject({
  name: nameSchema,
  agent: z.string().min(1).max(64),
  instructions: z.string().max(65_536).nullable().default(null),
  leastScore: z.int().min(0).max(100).default(70).meta({ description: 'A PASS with a lower score is a failure.' }),
});

/** A file or, by stars in its last part, files of one directory. */
const reportPathSchema = z
  .string()
  .max(200)
  .regex(/^(?:[^/*\\\x00-\x1f\x7f]+\/)*[^/\\\x00-\x1f\x7f]+$/, 'must be a relative path; stars only in its last part')
  .refine((path) => path.split('/').every((part) => !['.', '..', '.git'].includes(part)), 'leaves the repository')
  .refine((path) => path.split('*').length <= 4, 'has more than three stars');

const pipelineSchema = z
  .strictObject({
    reviewers: z
      .array(reviewerSchema)
      .max(10)
      .refine((all) => new Set(all.map(({ name }) => name)).size === all.length, 'names a reviewer twice')
      .optional(),
    budgets: z
      .strictObject({
        fixRounds: z.int().min(0).max(20).optional(),
        merges: z.int().min(1).max(20).optional(),
        commits: z.int().min(1).max(100).optional(),
        sameDiffs: z.int().min(1).max(100).optional(),
      })
      .optional(),
    gateLimits: limitsSchema.optional().meta({ description: 'Limits of one run of a gate command.' }),
    reports: z
      .array(reportPathSchema)
      .max(20)
      .optional()
      .meta({ description: 'Where gates leave JUnit XML: a summary of it is shown, and decides nothing.' }),
  })
  .meta({ id: 'PipelineSettings' });

const settings = {
  verify: z.array(argvSchema).max(20).optional().meta({ description: 'Gate commands as argv lists.' }),
  merge: z.boolean().optional(),
  pipeline: pipelineSchema.nullable().optional().meta({ description: 'What is not as by default in its pipeline.' }),
  push: sourceSchema
    .nullable()
    .optional()
    .meta({ description: 'Where branches of hand-offs are pushed to, never by force; null for nowhere.' }),
  trusted: z.boolean().optional(),
  limits: z
    .strictObject({
      concurrency: z.int().min(1).max(1000).optional().meta({ description: 'Jobs of it at work at once.' }),
    })
    .optional(),
  command: argvSchema.nullable().optional().meta({ description: 'Command of agent `exec` for jobs without one.' }),
};

export const newRepositorySchema = z
  .strictObject({
    name: nameSchema.optional(),
    source: sourceSchema,
    base: branchSchema.optional(),
    ...settings,
  })
  .meta({ id: 'NewRepository' });

export const repositoryPatchSchema = z
  .strictObject({ base: branchSchema.optional(), ...settings })
  .refine((patch) => Object.keys(patch).length > 0, 'name at least one field to change')
  .meta({ id: 'RepositoryPatch' });

export const repositoryParamsSchema = z.strictObject({ name: z.string() });

export const repositorySchema = z
  .strictObject({
    id: z.string(),
    name: z.string(),
    source: z.string(),
    sourceKind: z.enum(['path', 'url']),
    base: z.string(),
    verify: z.array(z.array(z.string())),
    merge: z.boolean(),
    pipeline: pipelineSchema.nullable(),
    push: z.string().nullable(),
    trusted: z.boolean(),
    limits: z.strictObject({ concurrency: z.int() }),
    command: z.array(z.string()).nullable(),
    cloneState: z.enum(['registered', 'cloning', 'ready', 'failed']),
    unavailable: z.string().nullable().meta({ description: 'Why it cannot be used now, or null.' }),
    trouble: z
      .strictObject({ why: z.string(), failures: z.int(), retryAt: timeSchema.nullable() })
      .nullable()
      .meta({ description: 'Set while its source does not answer; asked again at `retryAt`.' }),
    createdAt: timeSchema,
    updatedAt: timeSchema,
    version: z.int(),
  })
  .meta({ id: 'Repository' });
export type RepositoryView = z.infer<typeof repositorySchema>;

export const repositoryPageSchema = pageOf(repositorySchema).meta({ id: 'RepositoryPage' });
