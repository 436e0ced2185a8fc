/** Whether what is stored of one job can be trusted: its chain against its rows, and its prompt against its hash. */
import { sha256 } from '../../kernel/hash.ts';
import { foldChain } from './damaged-locks.ts';
import { compareWithRows } from './replay.ts';
import type { Sql } from './sql.ts';

/** Returns what is wrong with a job, in words; empty when it may be worked on. Reads its chain only. */
export function verifyJob(sql: Sql, id: string): string[] {
  const faults = compareWithRows(sql, foldChain(sql, id));
  return [...faults, ...verifyPromptOf(sql, id)];
}

/** Returns what is wrong with the stored prompt of a job. */
export function verifyPromptOf(sql: Sql, id: string): string[] {
  const row = sql.get(
    'SELECT prompt_sha256 AS hash, (SELECT body FROM prompts WHERE sha256 = prompt_sha256) AS body FROM jobs WHERE id = $1',
    id,
  );
  const body = row?.['body'];
  if (typeof body !== 'string') return ['its prompt is missing'];
  return sha256(body) === row?.['hash'] ? [] : ['its prompt does not match its hash'];
}
