/**
 * The check of every start: chains of work that has begun, and of what the start itself trusts, against their rows. Jobs
 * that only wait are left out: ten thousand of them would take longer than the rest of the start, and each is verified
 * before it is claimed (claim.ts) and by the check of history.
 */
import { messageOf } from '../../kernel/result.ts';
import type { StoreCheck } from '../store.ts';
import type { DamagedLock } from '../waiting-store.ts';
import { verifySecret } from './accounts.ts';
import { foldChain, listDamagedLocks, listMissingLocks } from './damaged-locks.ts';
import type { OpenDatabase } from './open.ts';
import { compareWithRows } from './replay.ts';
import type { Sql } from './sql.ts';
import { verifyPromptOf } from './verify-job.ts';

/** Verifies jobs that have begun, repositories, starts, tokens and accounts, and tells what the witness found at open. */
export function checkLive(store: OpenDatabase): StoreCheck {
  const { sql } = store;
  const check: StoreCheck = { checked: 0, corrupt: [], witness: store.complaint };
  for (const why of store.mended) check.corrupt.push({ kind: 'counter', id: why.split(' ')[0] ?? '', why });
  try {
    for (const { kind, text } of SUBJECTS) {
      for (const row of sql.all(text)) {
        const id = String(row['id']);
        check.checked++;
        const { faults, missing } = verifyChain(sql, id);
        for (const { key, why } of missing) check.corrupt.push({ kind: 'lock', id: key, why });
        if (kind === 'account') faults.push(...verifySecret(sql, id));
        if (kind === 'job') faults.push(...verifyPromptOf(sql, id));
        if (faults.length > 0) check.corrupt.push({ kind, id, why: faults.join('; ') });
      }
    }
    for (const { key, why } of listDamagedLocks(store)) check.corrupt.push({ kind: 'lock', id: key, why });
    check.checked += Number(sql.get('SELECT count(*) AS n FROM locks')?.['n']);
  } catch (error) {
    check.corrupt.push({ kind: 'database', id: store.path, why: messageOf(error) });
  }
  return check;
}

const SUBJECTS = [
  {
    kind: 'job',
    // Whatever its row says now, a job with an attempt has begun: a damaged one must not be left with a living agent.
    text: `SELECT id FROM jobs WHERE finished_at IS NULL
             AND (state NOT IN ('created', 'waiting', 'queued') OR fence > 0
               OR id IN (SELECT job_id FROM attempts WHERE state IN ('intended', 'running')))
           ORDER BY number`,
  },
  { kind: 'repository', text: 'SELECT id FROM repositories ORDER BY id' },
  { kind: 'boot', text: 'SELECT id FROM boots ORDER BY number' },
  { kind: 'token', text: 'SELECT id FROM tokens ORDER BY id' },
  { kind: 'account', text: 'SELECT id FROM accounts ORDER BY id' },
  {
    kind: 'delivery',
    text: 'SELECT id FROM deliveries WHERE finished_at IS NULL AND head IS NOT NULL ORDER BY number',
  },
  { kind: 'target', text: 'SELECT id FROM callback_targets WHERE disabled_at IS NOT NULL ORDER BY id' },
];

function verifyChain(sql: Sql, subject: string): { faults: string[]; missing: DamagedLock[] } {
  const fold = foldChain(sql, subject);
  return { faults: compareWithRows(sql, fold), missing: listMissingLocks(sql, fold) };
}
