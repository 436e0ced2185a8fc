import type { DoctorCheck } from '../api/services.ts';
import type { NextSafeAction } from '../lifecycle/report.ts';
import { adviseOn } from '../recovery/quarantine-advice.ts';
import { messageOf } from '../kernel/result.ts';

/** Returns a check that passed. */
export function ok(name: string, detail: string): DoctorCheck {
  return { name, ok: true, level: 'ok', detail, hint: null };
}

/** Returns a check that passed, with something to think about. */
export function warn(name: string, detail: string, hint: string): DoctorCheck {
  return { name, ok: true, level: 'warn', detail, hint };
}

/** One damaged thing: what it is, where, and what is wrong. */
export interface Damaged {
  kind: string;
  /** Id of the record, name of the repository, or path of the file below the home. */
  item: string;
  /** Absolute path of the file that shows it. */
  path: string;
  why: string;
}

/** Who looked: a server, which sets aside what it finds, or nobody but this command. */
export type Looker = 'server' | 'command';

const COMMANDS: Record<Looker, string> = {
  server: 'holdfast recovery quarantine',
  command: 'holdfast server start',
};

/** What nobody sets aside: a person looks at it where it lies. */
const LOOKED_AT = new Set(['mirror-head', 'workspace']);

/** What only a start reads, and sets aside: one that runs already has it in memory, and goes on. */
const AT_START = new Set([
  'host-file',
  'token-file',
  'callback-secret',
  'statistics-file',
  'retention-file',
  'server-file',
  'start-marker',
]);

/** Returns a finding of its own for one damaged thing, with its evidence and what to do next. */
export function describeDamaged({ kind, item, path, why }: Damaged, looker: Looker): DoctorCheck {
  const { advice } = adviseOn({ id: item, kind, releasedAt: null });
  const isSetAside = !LOOKED_AT.has(kind) && !(looker === 'server' && AT_START.has(kind));
  const nextSafeAction: NextSafeAction = isSetAside ? 'inspect_quarantine' : 'review';
  const command = isSetAside ? COMMANDS[looker] : null;
  const finding = { kind, name: item, why, evidence: path, nextSafeAction, command };
  return { name: kind, ok: false, level: 'fail', detail: `${item}: ${why}`, hint: advice, finding };
}

/** Carries out a check; one that cannot be carried out is one that failed. */
export async function attemptChecks(name: string, check: () => Promise<DoctorCheck[]>): Promise<DoctorCheck[]> {
  try {
    return await check();
  } catch (error) {
    return [{ name, ok: false, level: 'fail', detail: messageOf(error), hint: null }];
  }
}
