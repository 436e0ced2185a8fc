import { isAbsolute } from 'node:path';
import { availableParallelism } from 'node:os';
import { z } from 'zod';
import type { AgentSettings } from '../agents/adapter.ts';
import { DEFAULT_STREAM_LIMITS } from '../api/stream-limits.ts';
import { createAgents } from '../agents/registry.ts';
import { DEFAULT_HEARTBEAT_AGES, type HeartbeatAges } from '../keeper/sentinel.ts';
import { readIfExists } from '../kernel/durable.ts';
import { parseDuration } from '../kernel/duration.ts';
import { fail, isError } from '../kernel/errors.ts';
import { messageOf } from '../kernel/result.ts';
import { parseSize } from '../kernel/size.ts';
import { DEFAULT_LIMITS } from '../lifecycle/job.ts';
import type { DiskLimit, DiskLimits } from '../queue/disk-level.ts';
import { DEFAULT_UPLOAD_LIMITS } from '../lifecycle/job-file.ts';
import type { CallbackSettings } from '../callbacks/callbacks.ts';
import { callbackSchema, fillCallbacks } from './callback-config.ts';
import { fillRetention, retentionSchema } from './retention-config.ts';
import type { RetentionSpans } from '../lifecycle/retention.ts';
import { DEFAULT_FETCH_LIMITS, type FetchLimits } from '../workspace/mirror.ts';

/** Milliseconds, or a text like `30m`. */
const span = z
  .union([z.int().positive(), z.string()], 'must be milliseconds, or a text like 30m')
  .transform((value, context) => {
    if (typeof value === 'number') return value;
    try {
      return parseDuration(value);
    } catch (error) {
      // Told with its key and file, like every other fault.
      context.addIssue({ code: 'custom', message: isError(error) ? error.detail : messageOf(error) });
      return z.NEVER;
    }
  });

const NO_SIZE = 'must be bytes, or a text like "2 GiB" or "5%"';

/** Bytes, a text like `2 GiB`, or a share of the disk like `5%`. */
const diskLimit = z.union([z.int().min(0), z.string()], NO_SIZE).transform((value, context): DiskLimit => {
  if (typeof value === 'number') return { bytes: value };
  const percent = /^(\d{1,2}(?:\.\d+)?) ?%$/.exec(value)?.[1];
  if (percent !== undefined) return { share: Number(percent) / 100 };
  try {
    return { bytes: parseSize(value) };
  } catch {
    context.addIssue({ code: 'custom', message: NO_SIZE });
    return z.NEVER;
  }
});

const agentSettings = z.strictObject({
  adapter: z.enum(['exec', 'claude-code']).exactOptional(),
  command: z.array(z.string().min(1)).min(1).exactOptional(),
  env: z.record(z.string(), z.string()).exactOptional(),
  model: z.string().exactOptional(),
});

const schema = z.strictObject({
  limits: z
    .strictObject({
      agentsPerHost: z.int().min(1).max(10_000).optional(),
      freeDisk: diskLimit.optional(),
      stopDisk: diskLimit.optional(),
      fetch: z.strictObject({ wallMs: span.optional(), cloneMs: span.optional(), idleMs: span.optional() }).optional(),
      attempt: z
        .strictObject({ wallMs: span.optional(), idleMs: span.optional(), outputBytes: z.int().positive().optional() })
        .optional(),
      streams: z.int().min(1).max(100_000).optional(),
      streamsPerPrincipal: z.int().min(1).max(100_000).optional(),
      uploadBytes: z.int().positive().optional(),
      uploadBytesPerJob: z.int().positive().optional(),
    })
    .optional(),
  accounts: z.strictObject({ sessionMs: span.optional() }).optional(),
  http: z.strictObject({ allowedHosts: z.array(z.string().min(1)).optional() }).optional(),
  resources: z.strictObject({ containerCommand: z.array(z.string().min(1)).min(1).optional() }).optional(),
  heartbeat: z
    .strictObject({ stale: span.optional(), dead: span.optional() })
    .superRefine((given, context) => {
      const { staleMs, deadMs } = fillHeartbeat(given);
      if (staleMs >= deadMs)
        context.addIssue({ code: 'custom', path: ['dead'], message: 'must be longer than heartbeat.stale' });
    })
    .optional(),
  defaultAgent: z.string().optional(),
  callbacks: callbackSchema.optional(),
  retention: retentionSchema.optional(),
  agents: z.record(z.string().regex(/^[a-z][a-z0-9-]{0,31}$/), agentSettings).optional(),
});

/** A login counts for a day unless configured. */
const DEFAULT_SESSION_MS = 86_400_000;

/** The configuration with every default filled in. */
export interface Config {
  limits: {
    agentsPerHost: number;
    disk: DiskLimits;
    fetch: FetchLimits;
    attempt: { wallMs: number; idleMs: number; outputBytes: number };
    /** Event streams open at once, in all and of one principal. */
    streams: number;
    streamsPerPrincipal: number;
    /** Of one file that is sent for a job, and of all files of one job. */
    uploadBytes: number;
    uploadBytesPerJob: number;
  };
  accounts: { sessionMs: number };
  http: { allowedHosts: string[] };
  /** argv of the container engine's command, or null for whichever of docker and podman is installed. */
  resources: { containerCommand: string[] | null };
  defaultAgent: string;
  agents: Record<string, AgentSettings>;
  /** From which age on a heartbeat is called stale, and dead. */
  heartbeat: HeartbeatAges;
  callbacks: CallbackSettings;
  retention: RetentionSpans;
}

function fillHeartbeat(given: { stale?: number | undefined; dead?: number | undefined } = {}): HeartbeatAges {
  const { staleMs, deadMs } = DEFAULT_HEARTBEAT_AGES;
  return { staleMs: given.stale ?? staleMs, deadMs: given.dead ?? deadMs };
}

/** Jobs a host works on at once unless configured: the larger of 4 and its cores. */
function defaultAgentsPerHost(): number {
  return Math.max(4, availableParallelism());
}

/** Reads and checks the configuration; a missing file means defaults unless it was asked for. Throws `bad-config`. */
export async function readConfig(path: string, required: boolean): Promise<Config> {
  const text = await readIfExists(path);
  if (text === null) {
    if (required) throw fail('bad-config', `${path} does not exist`);
    return fillConfig({});
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(text.toString());
  } catch (error) {
    throw fail('bad-config', `${path} is not JSON: ${messageOf(error)}`);
  }
  const result = schema.safeParse(parsed);
  if (!result.success) {
    const issues = result.error.issues.map((issue) => `${issue.path.join('.') || 'the file'}: ${issue.message}`);
    throw fail('bad-config', `${path}: ${issues.join('; ')}`);
  }
  refuseUnknownAgent(path, result.data);
  for (const [name, agent] of Object.entries(result.data.agents ?? {})) {
    const program = agent.command?.[0];
    if (program !== undefined && program.includes('/') && !isAbsolute(program)) {
      throw fail(
        'bad-config',
        `${path}: agents.${name}.command: "${program}" must be absolute or a name found in PATH`,
      );
    }
  }
  return fillConfig(result.data);
}

/** An agent nobody knows would fail every job that names none, one by one. */
function refuseUnknownAgent(path: string, { defaultAgent, agents = {} }: z.infer<typeof schema>): void {
  if (defaultAgent === undefined) return;
  const known = createAgents(agents).names();
  if (known.includes(defaultAgent)) return;
  throw fail('bad-config', `${path}: defaultAgent: there is no agent "${defaultAgent}"; known are ${known.join(', ')}`);
}

function fillConfig(given: z.infer<typeof schema>): Config {
  const attempt = given.limits?.attempt;
  const fetch = given.limits?.fetch;
  return {
    limits: {
      agentsPerHost: given.limits?.agentsPerHost ?? defaultAgentsPerHost(),
      disk: { free: given.limits?.freeDisk ?? null, stop: given.limits?.stopDisk ?? null },
      fetch: {
        wallMs: fetch?.wallMs ?? DEFAULT_FETCH_LIMITS.wallMs,
        cloneMs: fetch?.cloneMs ?? DEFAULT_FETCH_LIMITS.cloneMs,
        idleMs: fetch?.idleMs ?? DEFAULT_FETCH_LIMITS.idleMs,
      },
      attempt: {
        wallMs: attempt?.wallMs ?? DEFAULT_LIMITS.wallMs,
        idleMs: attempt?.idleMs ?? DEFAULT_LIMITS.idleMs,
        outputBytes: attempt?.outputBytes ?? DEFAULT_LIMITS.outputBytes,
      },
      streams: given.limits?.streams ?? DEFAULT_STREAM_LIMITS.total,
      streamsPerPrincipal: given.limits?.streamsPerPrincipal ?? DEFAULT_STREAM_LIMITS.perPrincipal,
      uploadBytes: given.limits?.uploadBytes ?? DEFAULT_UPLOAD_LIMITS.perFile,
      uploadBytesPerJob: given.limits?.uploadBytesPerJob ?? DEFAULT_UPLOAD_LIMITS.perJob,
    },
    accounts: { sessionMs: given.accounts?.sessionMs ?? DEFAULT_SESSION_MS },
    http: { allowedHosts: given.http?.allowedHosts ?? [] },
    resources: { containerCommand: given.resources?.containerCommand ?? null },
    defaultAgent: given.defaultAgent ?? 'exec',
    agents: given.agents ?? {},
    heartbeat: fillHeartbeat(given.heartbeat),
    callbacks: fillCallbacks(given.callbacks),
    retention: fillRetention(given.retention),
  };
}
