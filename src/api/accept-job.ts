import { fail } from '../kernel/errors.ts';
import { failpoint } from '../kernel/failpoints.ts';
import { canonicalJson, sha256 } from '../kernel/hash.ts';
import type { Job } from '../lifecycle/job.ts';
import type { NewJobBody } from './contract/job.ts';
import type { Services } from './services.ts';

/** A valid submission, and who sent it under which key. */
export interface Submission {
  body: NewJobBody;
  principal: string;
  idempotencyKey: string | null;
}

/**
 * Accepts a job durably and returns it; `replayed` when the same key with the same body had been accepted before.
 * Throws `repository-not-found`, `unknown-agent`, `agent-missing`, `bad-prompt`, `bad-request`, `idempotency-conflict`.
 */
export async function acceptJob(
  services: Services,
  { body, principal, idempotencyKey }: Submission,
): Promise<{ job: Job; replayed: boolean }> {
  const name = body.repository ?? body.repositories?.[0] ?? '';
  const repository = await services.store.getRepository(name);
  if (repository === null) throw fail('repository-not-found', `no repository "${name}"`);
  const agent = body.agent ?? (body.command === undefined ? services.defaults.agent : 'exec');
  // The repository's command is taken as it is now, so that the job stays what was accepted.
  const command = body.command ?? (agent === 'exec' ? repository.command : null);
  const prompt = body.prompt ?? showCommand(body.command ?? []);
  await services.validateJob({ agent, prompt, command });
  failpoint('api.before-accept');
  const { wallMs, idleMs, outputBytes } = services.defaults.limits;
  const accepted = await services.store.acceptJob({
    repository: repository.name,
    prompt,
    command,
    agent,
    pipeline: 'implement',
    priority: body.priority ?? 0,
    onInterrupt: body.onInterrupt ?? 'continue',
    limits: {
      wallMs: body.limits?.wallMs ?? wallMs,
      idleMs: body.limits?.idleMs ?? idleMs,
      outputBytes: body.limits?.outputBytes ?? outputBytes,
    },
    deadlineMs: body.deadlineMs ?? null,
    start: body.start ?? true,
    principal,
    // Of the body as it was sent: defaults that change later must not turn a repetition into a conflict.
    idempotency: idempotencyKey === null ? null : { key: idempotencyKey, requestSha256: sha256(canonicalJson(body)) },
  });
  failpoint('api.after-accept');
  return accepted;
}

/** A command as a person would type it: what stands for the prompt of a job that has none. */
function showCommand(words: readonly string[]): string {
  return words.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`)).join(' ');
}
