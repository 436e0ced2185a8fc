import assert from 'node:assert/strict';
import { sha256 } from '../../../../src/kernel/hash.ts';
import { LINES, WORK } from '../agents.ts';
import type { Scenario, Trial } from '../scenario.ts';
import { promise } from '../watched-world.ts';

/** Larger than one write, and nothing a disk could guess. */
const DATA = Buffer.from(Array.from({ length: 4000 }, (_, n) => sha256(String(n))).join('\n'));
const FIRST = Buffer.from('the first version\n');
const SECOND = Buffer.from('the second version, which takes its place\n');
/** What is sent, in this order. */
const SENT = [
  { name: 'notes.txt', content: FIRST },
  { name: 'data.bin', content: DATA },
  { name: 'notes.txt', content: SECOND },
];
const LOOK = 'for f in *.bin notes.txt; do [ ! -e "$f" ] || say "$f $(sha256sum <"$f" | cut -c1-64)"; done';

/** Files are sent for a held job, one of them twice, and the job is started; its agent says what it found. */
export const UPLOAD: Scenario = {
  name: 'upload',
  act: async (trial) => {
    const { id } = await trial.submit('files', `${LOOK}\n${WORK}`, { start: false, prompt: 'look at the files' });
    for (const [index, { name, content }] of SENT.entries()) {
      trial.notes.set(`sent ${index}`, name);
      const { status, body } = await trial.world.upload(id, name, content);
      if (status !== 201 && status !== 200) throw new Error(`upload: ${status} ${JSON.stringify(body)}`);
      trial.notes.set(`kept ${index}`, name);
      promise(trial.world, { file: { job: id, name, versions: allowed(name, index, SENT.length) } });
    }
    const { status, body } = await trial.world.api('POST', `/v1/jobs/${id}/start`);
    if (status >= 300) throw new Error(`start: ${status} ${JSON.stringify(body)}`);
    trial.notes.set('started', 'yes');
    await trial.world.awaitState(id, 'completed');
  },
  settle: async (trial) => {
    const job = trial.jobs.get('files');
    if (job === undefined) return;
    const { world } = trial;
    const listed = await listFiles(trial, job.id);
    checkKept(trial, listed);
    const { state } = await world.getJob(job.id);
    if (trial.notes.has('started')) assert.notEqual(state, 'created', 'it was started and is held again');
    if (state === 'created') assert.ok((await world.api('POST', `/v1/jobs/${job.id}/start`)).status < 300);
    await world.awaitState(job.id, 'completed');
    const found = listed.map(({ name, sha256: hash }) => `${name} ${hash}\n`).join('');
    assert.equal(await world.readOutput(job.id), found + LINES, 'the agent found other files than were recorded');
  },
};

/** Hashes a name may have once its `index`-th sending was acknowledged and all before `sent` were begun. */
function allowed(name: string, index: number, sent: number): string[] {
  return SENT.slice(index, sent).flatMap((one) => (one.name === name ? [sha256(one.content)] : []));
}

async function listFiles(trial: Trial, id: string): Promise<{ name: string; sha256: string }[]> {
  const { items } = (await trial.world.api('GET', `/v1/jobs/${id}/files`)).body as {
    items: { name: string; sha256: string }[];
  };
  return items.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** What was acknowledged is there; what was not is the whole file or none. */
function checkKept(trial: Trial, listed: readonly { name: string; sha256: string }[]): void {
  const sent = SENT.filter((_, index) => trial.notes.has(`sent ${index}`)).length;
  for (const name of new Set(SENT.map((one) => one.name))) {
    const last = SENT.findLastIndex((one, index) => one.name === name && trial.notes.has(`kept ${index}`));
    const found = listed.find((one) => one.name === name);
    if (last >= 0) assert.ok(found !== undefined, `${name} was acknowledged and is gone`);
    if (found === undefined) continue;
    const versions = allowed(name, Math.max(last, 0), sent);
    assert.ok(versions.includes(found.sha256), `${name} has a content nobody sent last`);
  }
}
