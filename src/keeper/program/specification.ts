/** Reads what to run. */
import { readFileSync } from 'node:fs';
import { ATTEMPT_VARIABLE, RUN_FILES, decodeRecord, type Sealed, type Secrets, type Spec } from '../protocol.ts';

/** Returns the attempt this run directory is for and its specification. Throws when it is damaged. */
export function readSpecification(): { attempt: string; spec: Sealed<Spec> } {
  const text = readFileSync(RUN_FILES.spec, 'utf8');
  const { attempt } = JSON.parse(text) as { attempt?: unknown };
  if (typeof attempt !== 'string') throw new Error('spec.json names no attempt');
  return { attempt, spec: decodeRecord<Spec>(attempt, text) };
}

/** Returns the agent's complete environment. Throws when the secrets are missing, or when nothing could be found by it. */
export function readEnvironment(attempt: string, spec: Spec): Record<string, string> {
  if (spec.env[ATTEMPT_VARIABLE] !== attempt) throw new Error(`${ATTEMPT_VARIABLE} in spec.json is not the attempt`);
  if (!spec.secrets) return spec.env;
  const secrets = decodeRecord<Secrets>(attempt, readFileSync(RUN_FILES.secrets, 'utf8'));
  return { ...spec.env, ...secrets.env, [ATTEMPT_VARIABLE]: attempt };
}
