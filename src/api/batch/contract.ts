/**
 * The contract of the batch API, for clients that were written before this server. Unlike everywhere else, a field nobody
 * knows is named in `ignored` instead of being refused: those clients send switches of a server that is gone.
 */
import { z } from 'zod';
import { limitSchema, cursorSchema, timeSchema } from '../contract/common.ts';
import { promptSchema } from '../contract/job.ts';
import { nameSchema, sourceSchema } from '../contract/repository.ts';
import { BATCH_STATUSES } from './status.ts';

export const BATCH_TAGS = ['batch'];

/** Most bytes of output in one answer; GET /v1/jobs/{id}/output gives all of them, in ranges. */
export const MAX_OUTPUT_BYTES = 8 * 2 ** 20;

/** Longest time a client may give an agent: 366 days, in seconds. */
const MAX_TIMEOUT_S = 366 * 86_400;

const statusSchema = z.enum(BATCH_STATUSES);
const ignoredSchema = z.array(z.string()).meta({ description: 'Fields of the request that mean nothing here.' });

export const registerSchema = z.looseObject({ name: nameSchema, gitUrl: sourceSchema }).meta({ id: 'BatchRegister' });

const repositoryFields = {
  name: z.string(),
  gitUrl: z.string(),
  branch: z.string(),
  cloneStatus: z.enum(['registered', 'cloning', 'ready', 'failed']),
  errorMessage: z.string().nullable(),
  registeredAt: timeSchema,
};

export const batchRepositorySchema = z.strictObject(repositoryFields).meta({ id: 'BatchRepository' });
export type BatchRepositoryView = z.infer<typeof batchRepositorySchema>;

export const registeredSchema = z
  .strictObject({ ...repositoryFields, ignored: ignoredSchema })
  .meta({ id: 'BatchRegistered' });

export const batchRepositoriesSchema = z
  .strictObject({ repositories: z.array(batchRepositorySchema) })
  .meta({ id: 'BatchRepositories' });

export const newBatchJobSchema = z
  .looseObject({
    prompt: promptSchema,
    repository: z.string().min(1).max(64),
    options: z
      .looseObject({
        agentEngine: z.string().min(1).max(64).optional(),
        timeout: z.number().min(1).max(MAX_TIMEOUT_S).optional().meta({ description: 'Seconds the agent may work.' }),
      })
      .optional(),
  })
  .meta({ id: 'NewBatchJob' });
export type NewBatchJobBody = z.infer<typeof newBatchJobSchema>;

export const createdBatchJobSchema = z
  .strictObject({ jobId: z.string(), sessionId: z.string(), status: statusSchema, ignored: ignoredSchema })
  .meta({ id: 'BatchJobCreated' });

const jobFields = {
  jobId: z.string(),
  sessionId: z.string().meta({ description: "The agent's conversation once known; before, the id of the job." }),
  status: statusSchema,
  repository: z.string(),
  agentEngine: z.string(),
  errorMessage: z.string().nullable(),
  queuePosition: z.int().min(1).nullable().meta({ description: 'From 1; null when not queued.' }),
  exitCode: z.int().nullable(),
  createdAt: timeSchema,
  startedAt: timeSchema.nullable(),
  completedAt: timeSchema.nullable(),
};

export const batchJobItemSchema = z.strictObject(jobFields).meta({ id: 'BatchJobItem' });
export type BatchJobItem = z.infer<typeof batchJobItemSchema>;

export const batchJobSchema = z
  .strictObject({
    ...jobFields,
    output: z.string().meta({
      description: `What the agent has printed so far, from its first byte, at most ${MAX_OUTPUT_BYTES} bytes.`,
    }),
    outputBytes: z.int().meta({ description: 'Bytes printed so far.' }),
    outputTruncated: z.boolean().meta({ description: 'Whether there is more than `output` may hold.' }),
    outputExact: z.boolean().meta({
      description: 'Whether the bytes of `output` are those of the file; false when it is not UTF-8.',
    }),
  })
  .meta({ id: 'BatchJob' });
export type BatchJobView = z.infer<typeof batchJobSchema>;

export const batchJobQuerySchema = z.strictObject({
  status: statusSchema.optional(),
  repository: z.string().min(1).max(64).optional(),
  cursor: cursorSchema,
  limit: limitSchema,
});

export const batchJobsSchema = z
  .strictObject({ jobs: z.array(batchJobItemSchema), nextCursor: z.string().nullable() })
  .meta({ id: 'BatchJobs' });

export const startedBatchJobSchema = z
  .strictObject({ jobId: z.string(), status: statusSchema, queuePosition: z.int().min(1).nullable() })
  .meta({ id: 'BatchJobStarted' });

export const removedBatchJobSchema = z
  .strictObject({ jobId: z.string(), success: z.literal(true) })
  .meta({ id: 'BatchJobRemoved' });

export const uploadedSchema = z
  .strictObject({
    jobId: z.string(),
    files: z.array(z.strictObject({ filename: z.string(), fileSize: z.int(), sha256: z.string() })),
  })
  .meta({ id: 'BatchUploaded' });
export type UploadedView = z.infer<typeof uploadedSchema>;

export const batchSentinelSchema = z
  .strictObject({
    jobId: z.string(),
    attempt: z.int(),
    lastHeartbeat: timeSchema,
    health: z.enum(['fresh', 'stale', 'dead']).meta({ description: 'Of the heartbeat by age; it proves nothing.' }),
    pid: z.int(),
    startTime: z.string(),
    adaptorEngine: z.string(),
    sessionId: z.string().nullable(),
    outputBytes: z.int(),
  })
  .meta({ id: 'BatchSentinel' });
