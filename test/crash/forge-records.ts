import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RUN_FILES, decodeRecord, encodeRecord, type Claim } from '../../src/keeper/protocol.ts';
import { readAgent, readClaim, readExit } from '../../src/keeper/run-directory.ts';
import type { ProcessIdentity } from '../../src/keeper/host-identity.ts';
import type { KnownAttempt } from '../support/world-processes.ts';

export interface Forgery {
  claim?: Partial<Claim>;
  agent?: Partial<ProcessIdentity>;
}

/**
 * Rewrites the records of an attempt nothing of which is alive, as a keeper would have written them under other
 * circumstances: every sum is right. That is how a reused pid or another boot look to the next server.
 */
export async function forgeRecords(attempt: KnownAttempt, forgery: Forgery): Promise<void> {
  const { runDir, id } = attempt;
  const claim = await readClaim(runDir, id);
  if (claim.kind !== 'ok') throw new Error(`the claim of ${id} is ${claim.kind}`);
  const text = encodeRecord(id, { ...bodyOf(claim.record), ...forgery.claim });
  const { sum } = decodeRecord<Claim>(id, text);
  await replace(join(runDir, RUN_FILES.claim), text);
  const agent = await readAgent(runDir, id);
  if (agent.kind === 'ok') {
    const body = { ...bodyOf(agent.record), ...forgery.agent, claim: sum };
    await replace(join(runDir, RUN_FILES.agent), encodeRecord(id, body));
  }
  const exit = await readExit(runDir, id);
  if (exit.kind === 'ok') {
    await replace(join(runDir, RUN_FILES.exit), encodeRecord(id, { ...bodyOf(exit.record), claim: sum }));
  }
}

/** Returns what a record says, without what makes it one. */
export function bodyOf(record: object): object {
  const { v: _v, attempt: _attempt, sum: _sum, ...body } = record as { v: number; attempt: string; sum: string };
  return body;
}

async function replace(path: string, text: string): Promise<void> {
  await rm(path, { force: true });
  await writeFile(path, text);
}
