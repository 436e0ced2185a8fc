import { fail } from '../kernel/errors.ts';
import { failpoint } from '../kernel/failpoints.ts';
import { canonicalJson, sha256 } from '../kernel/hash.ts';
import { quoteWords } from '../kernel/quote-words.ts';
import { JOB_CALLBACK_TYPES, type JobCallback } from '../lifecycle/delivery.ts';
import type { Job } from '../lifecycle/job.ts';
import { describeWeakness, judgePacket, renderPacket, splitDependencies } from '../pipeline/packet.ts';
import type { NewJobBody } from './contract/job.ts';
import type { Services } from './services.ts';

/** Longest command shown in place of a prompt; the job itself has all of it. */
const MAX_SHOWN_CHARS = 16 * 1024;

/** A valid submission, and who sent it under which key. */
export interface Submission {
  body: NewJobBody;
  principal: string;
  idempotencyKey: string | null;
}

/**
 * Accepts a job durably and returns it; `replayed` when the same key with the same body had been accepted before.
 * Throws `repository-not-found`, `unknown-agent`, `agent-missing`, `bad-prompt`, `bad-request`, `idempotency-conflict`, and
 * `job-not-found` for a job it should come after.
 */
export async function acceptJob(
  services: Services,
  { body, principal, idempotencyKey }: Submission,
): Promise<{ job: Job; prompt: string; replayed: boolean }> {
  const [repository = '', ...others] = body.repositories ?? [body.repository ?? ''];
  const agent = body.agent ?? (body.command === undefined ? services.defaults.agent : 'exec');
  const command = body.command ?? (agent === 'exec' ? await commandOf(services, repository) : null);
  const named = (body.after ?? []).map(String);
  const packet = body.packet === undefined ? null : readPacket(body.packet, named);
  const after = [...new Set([...named, ...(packet?.after ?? [])])];
  const prompt = packet?.text ?? body.prompt ?? showCommand(body.command ?? []);
  // A weak packet is never begun: whether its agent could take it is for the corrected one.
  if ((packet?.weak ?? null) === null) await services.validateJob({ agent, prompt: packet?.prompt ?? prompt, command });
  const callbacks = await checkCallbacks(services, body);
  failpoint('api.before-accept');
  const { wallMs, idleMs, outputBytes } = services.defaults.limits;
  const accepted = await services.store.acceptJob({
    repository,
    ...(others.length === 0 ? {} : { others }),
    prompt,
    command,
    agent,
    pipeline: body.pipeline ?? (packet === null ? 'implement' : 'full'),
    ...(packet === null ? {} : { packet: true, ...(packet.weak === null ? {} : { weak: packet.weak }) }),
    ...(packet === null ? {} : { surface: packet.scope }),
    ...(after.length === 0 ? {} : { after }),
    priority: body.priority ?? 0,
    onInterrupt: body.onInterrupt ?? 'continue',
    limits: {
      wallMs: body.limits?.wallMs ?? wallMs,
      idleMs: body.limits?.idleMs ?? idleMs,
      outputBytes: body.limits?.outputBytes ?? outputBytes,
    },
    deadlineMs: null,
    start: body.start ?? true,
    principal,
    callbacks,
    // Of the body as it was sent: defaults that change later must not turn a repetition into a conflict.
    idempotency: idempotencyKey === null ? null : { key: idempotencyKey, requestSha256: sha256(canonicalJson(body)) },
  });
  failpoint('api.after-accept');
  return { ...accepted, prompt };
}

interface ReadPacket {
  /** Its canonical form: what is stored, and whose hash it is known by. */
  text: string;
  /** Paths it may touch. */
  scope: string[];
  /** Jobs among its dependencies. */
  after: string[];
  /** What an agent is told. */
  prompt: string;
  /** Why nobody could do or judge the work yet; null for a good one. */
  weak: string | null;
}

/** Throws `bad-packet` for one of another form: then nothing is accepted. */
function readPacket(value: unknown, named: readonly string[]): ReadPacket {
  const judged = judgePacket(value);
  if ('faults' in judged) throw fail('bad-packet', judged.faults.join('; '));
  const { packet, missing } = judged;
  const { scope } = packet;
  const { jobs, names } = splitDependencies(packet);
  // Only whoever sends it knows which jobs its names stand for.
  const unknown = named.length === 0 ? names : [];
  const weak = describeWeakness(missing, unknown);
  return { text: canonicalJson(packet), scope, after: jobs, prompt: renderPacket(packet), weak };
}

/** Returns the callbacks with their events named. Throws `callback-refused` for a URL nothing may be sent to. */
async function checkCallbacks(services: Services, body: NewJobBody): Promise<JobCallback[]> {
  const callbacks = body.callbacks ?? [];
  await Promise.all(callbacks.map(({ url }) => services.acceptCallback(url)));
  return callbacks.map(({ url, events }) => ({ url, events: [...new Set(events ?? JOB_CALLBACK_TYPES)] }));
}

/** The repository's own command, taken as it is now, so that the job stays what was accepted. */
async function commandOf(services: Services, name: string): Promise<string[] | null> {
  const repository = await services.store.getRepository(name);
  if (repository === null) throw fail('repository-not-found', `no repository "${name}"`);
  return repository.command;
}

/** What stands for the prompt of a job that has none. */
function showCommand(words: readonly string[]): string {
  const text = quoteWords(words);
  return text.length <= MAX_SHOWN_CHARS ? text : `${text.slice(0, MAX_SHOWN_CHARS).toWellFormed()}…`;
}
