import { z } from 'zod';
import { MAX_AFTER } from '../../lifecycle/dependency.ts';
import { MAX_PROMPT_BYTES, MAX_REPOSITORIES, PIPELINES } from '../../lifecycle/job.ts';
import { RECOVERY_STATES } from '../../lifecycle/recovery-state.ts';
import { STAGES } from '../../lifecycle/stage.ts';
import { JOB_STATES } from '../../lifecycle/transitions.ts';
import { argvSchema } from './argv.ts';
import { callbacksSchema } from './delivery.ts';
import { estimateSchema } from './statistics.ts';
import { cursorSchema, limitSchema, limitsSchema, pageOf, timeSchema } from './common.ts';

/** Fields of the whole interface that this version does not carry out yet: refused by name, never ignored. */
export const LATER_FIELDS: readonly string[] = ['deadlineMs', 'epic'];

export const promptSchema = z
  .string()
  .superRefine((prompt, context) => {
    const wrong = faultOfPrompt(prompt);
    if (wrong !== null) context.addIssue({ code: 'custom', message: wrong, params: { code: 'bad-prompt' } });
  })
  .meta({ minLength: 1, maxLength: MAX_PROMPT_BYTES, description: '1 byte to 1 MiB of UTF-8, without NUL.' });

function faultOfPrompt(prompt: string): string | null {
  if (prompt === '') return 'is empty';
  if (prompt.includes('\0')) return 'contains a NUL character';
  if (!prompt.isWellFormed()) return 'is not valid Unicode (a lone surrogate)';
  const bytes = Buffer.byteLength(prompt);
  return bytes > MAX_PROMPT_BYTES ? `has ${bytes} bytes; at most ${MAX_PROMPT_BYTES} are allowed` : null;
}

export const newJobSchema = z
  .strictObject({
    repository: z.string().min(1).max(64).optional().meta({ description: 'Name of a registered repository.' }),
    repositories: z
      .array(z.string().min(1).max(64))
      .min(1)
      .max(MAX_REPOSITORIES)
      .optional()
      .meta({ description: 'Instead of `repository`: each once; the workspace has them side by side.' }),
    prompt: promptSchema.optional().meta({ description: 'Required unless `command` or `packet` is given.' }),
    packet: z
      .record(z.string(), z.unknown())
      .optional()
      .meta({ description: 'A structured work item, in place of a prompt; see docs/pipeline.md.' }),
    command: argvSchema.optional().meta({ description: 'For agent `exec`.' }),
    agent: z
      .string()
      .min(1)
      .max(64)
      .optional()
      .meta({ description: '`exec` with a command, else the configured one.' }),
    pipeline: z
      .enum(PIPELINES)
      .optional()
      .meta({ default: 'implement', description: 'Stages to walk: `full` ends handed off or merged.' }),
    start: z.boolean().optional().meta({ default: true, description: 'False leaves it `created`.' }),
    after: z
      .array(z.union([z.string().min(1).max(64), z.int().min(1)]))
      .max(MAX_AFTER)
      .optional()
      .meta({ description: 'Jobs it comes after (number, id or unique prefix): it waits until they ended well.' }),
    priority: z.int().min(-1000).max(1000).optional().meta({ default: 0, description: 'Higher goes first.' }),
    limits: limitsSchema
      .optional()
      .meta({ description: 'Limits of one attempt; absent ones are the configured ones.' }),
    onInterrupt: z.enum(['continue', 'ask']).optional().meta({ default: 'continue' }),
    callbacks: callbacksSchema.optional().meta({ description: 'Who is told of the ways of this job.' }),
  })
  .superRefine((job, context) => {
    if ((job.repository === undefined) === (job.repositories === undefined)) {
      context.addIssue({ code: 'custom', path: ['repository'], message: 'give either `repository` or `repositories`' });
    }
    if (job.repositories !== undefined && new Set(job.repositories).size !== job.repositories.length) {
      const message = 'names a repository twice';
      context.addIssue({ code: 'custom', path: ['repositories'], message });
    }
    if (job.prompt === undefined && job.command === undefined && job.packet === undefined) {
      const params = { code: 'bad-prompt' };
      context.addIssue({ code: 'custom', path: ['prompt'], message: 'give a prompt, a packet or a command', params });
    }
    if (job.packet !== undefined && (job.prompt !== undefined || job.command !== undefined)) {
      context.addIssue({ code: 'custom', path: ['packet'], message: 'a packet takes the place of prompt and command' });
    }
  })
  .meta({ id: 'NewJob' });
export type NewJobBody = z.infer<typeof newJobSchema>;

export const jobQuerySchema = z.strictObject({
  state: z.enum(JOB_STATES).optional(),
  repository: z.string().min(1).max(64).optional(),
  cursor: cursorSchema,
  limit: limitSchema,
});

const actionSchema = z.enum([
  'none',
  'wait',
  'start',
  'resume',
  'retry',
  'review',
  'fixup',
  'inspect_quarantine',
  'fix_config',
  'unfreeze',
  'free_disk',
  'abandon',
]);

export const nextSafeActionSchema = actionSchema;

export const jobSchema = z
  .strictObject({
    id: z.string(),
    number: z.int(),
    repository: z.string().meta({ description: 'Of several the first.' }),
    repositories: z.array(z.string()),
    prompt: z.string().meta({ description: 'Of a packet, what its agent is told.' }),
    packet: z.record(z.string(), z.unknown()).nullable().meta({ description: 'As it was accepted; null without one.' }),
    packetSha256: z.string().nullable(),
    agent: z.string(),
    pipeline: z.enum(PIPELINES),
    state: z.enum(JOB_STATES),
    stage: z.enum(STAGES),
    outcome: z.enum(['success', 'failure', 'cancelled', 'timed_out']).nullable(),
    reason: z.string().nullable(),
    frozen: z
      .boolean()
      .meta({ description: 'No attempt of it begins before it is unfrozen; one that was begun goes on.' }),
    priority: z.int(),
    after: z.array(z.string()).meta({ description: 'Ids of the jobs it comes after.' }),
    queueSeq: z.int().nullable(),
    phase: z
      .enum(['waiting', 'preparing', 'ready', 'executing'])
      .nullable()
      .meta({ description: 'On the way to its agent; null before it is queued and once it has ended or is blocked.' }),
    waitingFor: z
      .array(z.strictObject({ what: z.string(), why: z.string() }))
      .meta({ description: 'What a waiting job waits for, besides those before it.' }),
    queuePosition: z.int().min(1).nullable().meta({ description: 'From 1; null when not queued.' }),
    estimate: estimateSchema
      .nullable()
      .meta({ description: 'In answers to GET of a job that has not ended; null while too few have ended to tell.' }),
    attempts: z.int(),
    sessionId: z.string().nullable(),
    workspace: z.string().nullable().meta({ description: 'Absolute path once it is ready.' }),
    workspaceSetAside: z
      .string()
      .nullable()
      .meta({ description: 'Where a workspace that could not be worked in any more is kept; null without one.' }),
    workspaceRemovedAt: timeSchema
      .nullable()
      .meta({ description: 'When its workspace went by age; its tree is saved, and `diff` and `retry` give it back.' }),
    workspaceKeptUntil: timeSchema
      .nullable()
      .meta({ description: 'After this it goes; null without an end, or without a workspace.' }),
    keptUntil: timeSchema.nullable().meta({ description: 'After this the whole job goes; null without an end.' }),
    outputBytes: z.int(),
    outputFile: z.string().nullable().meta({ description: 'Output of the newest attempt.' }),
    sentinelFile: z.string().nullable(),
    exitCode: z.int().nullable(),
    blocker: z.string().nullable(),
    nextSafeAction: nextSafeActionSchema,
    recovery: z
      .enum(RECOVERY_STATES)
      .nullable()
      .meta({ description: 'What is done about work that is blocked, interrupted or sent back; null when it is not.' }),
    pendingAttempt: z.string().nullable().meta({ description: 'Id of the attempt that is under way.' }),
    lastDurableArtifact: z
      .string()
      .nullable()
      .meta({ description: 'Newest evidence, else its commit, transcript or output: what a crash cannot take.' }),
    createdAt: timeSchema,
    queuedAt: timeSchema.nullable(),
    startedAt: timeSchema.nullable(),
    finishedAt: timeSchema.nullable(),
    deadlineAt: timeSchema.nullable(),
    version: z.int(),
  })
  .meta({ id: 'Job' });
export type JobView = z.infer<typeof jobSchema>;

export const jobPageSchema = pageOf(jobSchema).meta({ id: 'JobPage' });
