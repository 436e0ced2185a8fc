/** Rows of every kind a long life leaves and a short test does not, made through the store without running anything. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sha256 } from '../../src/kernel/hash.ts';
import { emptyReport } from '../../src/recovery/boot.ts';
import type { Home } from '../../src/lifecycle/home.ts';
import { NOTHING_SPENT } from '../../src/lifecycle/stage.ts';
import { newBoot, newJob } from '../../src/store/conformance/fixtures.ts';
import { openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import type { Store } from '../../src/store/store.ts';

const ACTOR = 'ann';
const UPLOAD = 'what was sent\n';

/** Ids of what was made. */
export interface OneOfEach {
  /** Ended, with a resource that was removed. */
  withResource: string;
  /** Ended, with a shared fetch recorded on its behalf. */
  withBatch: string;
  /** Held, with two files that lie in its staging directory. */
  withFiles: string;
  files: string[];
  /** Held, of the repositories `demo` and `lib`, after another job. */
  ofSeveral: string;
  /** Ended, each with the result of a gate and the evidence it rests on. */
  gated: [string, string];
  /** Ended, with a result that nobody had asked for. */
  refused: string;
  accounts: [string, string];
  /** Ended, with a message that was delivered and one whose receiver was gone. */
  toldOf: string;
  /** A message about the server itself. */
  delivery: string;
  quarantine: string;
  repair: string;
  backup: string;
  rotation: string;
}

/** Adds one of each to a home that no server holds, with the repositories `demo` and `lib`. */
export async function addOneOfEach(home: Home): Promise<OneOfEach> {
  const store = openSqliteStore({ path: home.database });
  await store.start();
  try {
    const jobs = { ...(await addJobs(store)), ...(await addFiles(store, home)) };
    const gated: OneOfEach['gated'] = [await addGated(store, home, 'one'), await addGated(store, home, 'two')];
    const ann = await store.addAccount({ name: 'ann', secret: 'scrypt of one', actor: ACTOR });
    const bob = await store.addAccount({ name: 'bob', secret: 'scrypt of two', actor: ACTOR });
    const refused = await addRefused(store);
    return {
      ...jobs,
      gated,
      refused,
      ...(await addSettled(store)),
      accounts: [ann.id, bob.id],
      ...(await addTold(store)),
    };
  } finally {
    await store.stop();
  }
}

async function accept(store: Store, overrides: Parameters<typeof newJob>[0]): Promise<string> {
  const { job } = await store.acceptJob(newJob({ repository: 'demo', agent: 'exec', ...overrides }));
  return job.id;
}

async function addJobs(store: Store) {
  const withResource = await accept(store, { prompt: 'with a resource', start: false });
  const resource = await store.addResource({
    jobId: withResource,
    kind: 'container',
    target: 'db',
    facts: { engineId: 'a' },
    identity: 'a',
    principal: `job:${withResource}`,
  });
  await store.requestCancel(withResource, ACTOR);
  const move = { id: resource.id, note: null, actor: ACTOR };
  await store.moveResource({ ...move, transition: 'begin' });
  await store.moveResource({ ...move, transition: 'finish' });
  const withBatch = await accept(store, { prompt: 'with a fetch', start: false });
  await store.recordBatch({ repository: 'lib', jobId: withBatch, through: await store.getLastPlace(), actor: ACTOR });
  await store.requestCancel(withBatch, ACTOR);
  const ofSeveral = await accept(store, { prompt: 'of several', others: ['lib'], after: [withBatch], start: false });
  return { withResource, withBatch, ofSeveral };
}

async function addFiles(store: Store, home: Home) {
  const withFiles = await accept(store, { prompt: 'with files', start: false });
  const hash = sha256(UPLOAD);
  const directory = join(home.staging(withFiles), hash);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const files = ['changed.txt', 'missing.txt'];
  for (const name of files) {
    writeFileSync(join(directory, name), UPLOAD);
    const sent = { name, sha256: hash, size: UPLOAD.length, overwrite: false, perJob: 1000 };
    await store.recordJobFile({ jobId: withFiles, ...sent, actor: ACTOR });
  }
  return { withFiles, files: files.map((name) => join(directory, name)) };
}

async function addRefused(store: Store): Promise<string> {
  const id = await accept(store, { prompt: 'with a stranger', start: false });
  const stranger = store.moveJob({ id, transition: 'complete', fence: 7, actor: ACTOR });
  await stranger.then(
    () => Promise.reject(new Error('a stranger ended it')),
    () => undefined,
  );
  await store.requestCancel(id, ACTOR);
  return id;
}

/** A job whose gate was passed, and who was cancelled on the way to the next. */
async function addGated(store: Store, home: Home, prompt: string): Promise<string> {
  const id = await accept(store, { prompt, pipeline: 'full' });
  const [job] = await store.claimJobs({ boot: 'boot_past', hostLimit: 100_000, max: 1 });
  if (job?.id !== id) throw new Error('another job was claimed');
  const printed = `${prompt} passed\n`;
  const hash = sha256(printed);
  mkdirSync(home.evidence(id), { recursive: true, mode: 0o700 });
  writeFileSync(join(home.evidence(id), hash), printed);
  const candidate = 'c'.repeat(40);
  const gate = { stage: 'verify', gate: 'run test', result: 'PASS', why: null, candidate, attempt: 1 } as const;
  const item = { sha256: hash, kind: 'output', name: 'run test', bytes: printed.length, attempt: 1 } as const;
  const step = { gate: null, task: null, candidate, merge: null, spent: NOTHING_SPENT };
  await store.moveJob({
    id,
    transition: 'advance',
    fence: job.fence,
    set: { stage: 'handoff', step },
    results: { gate: { ...gate, evidence: [hash] }, evidence: [item] },
    actor: ACTOR,
  });
  await store.requestCancel(id, ACTOR);
  return id;
}

/** Records of what operators did. */
async function addSettled(store: Store) {
  const wish = { orphanId: 'orph_1', kind: 'temp-file', target: '/somewhere', action: 'remove', actor: ACTOR } as const;
  const repair = await store.intendRepair(wish);
  await store.endRepair({ id: repair.id, transition: 'finish', note: null });
  const { backup } = await store.intendBackup({ path: '/backups/one', actor: ACTOR });
  await store.moveBackup({ id: backup.id, transition: 'fail', actor: ACTOR, set: { note: 'no room' } });
  const rotation = await store.intendRotation({ secretSha256: sha256('a secret'), actor: ACTOR });
  await store.endRotation({ id: rotation.id, transition: 'fail' });
  const found = { kind: 'output', item: 'jobs/x/attempts/1/output', path: '/x', why: 'torn', jobId: null };
  const [set] = await store.addQuarantine([found], 'boot_past');
  if (set === undefined) throw new Error('nothing was set aside');
  await store.releaseQuarantine(set.item.id, ACTOR);
  return { repair: repair.id, backup: backup.id, rotation: rotation.id, quarantine: set.item.id };
}

/** Messages: of a job, one delivered and one whose receiver asked for nothing more; and one about a start. */
async function addTold(store: Store) {
  const [a = '', b = '', c = ''] = ['a', 'b', 'c'].map((name) => `https://${name}.example/hook`);
  const callbacks = [a, b].map((url) => ({ url, events: ['job.cancelled' as const] }));
  const toldOf = await accept(store, { prompt: 'to be told', start: false, callbacks });
  await store.requestCancel(toldOf, ACTOR);
  await store.recordBoot(newBoot('boot_past'));
  await store.updateBoot('boot_past', { report: emptyReport('boot_past'), readyAt: 1 }, [c]);
  const { deliveries } = await store.claimDeliveries({ actor: ACTOR, max: 9, perHost: 9, busy: {} });
  for (const { id, url, tries } of deliveries) {
    const outcome = { id, try: tries, nextAt: null, actor: ACTOR };
    const told = { transition: 'deliver', status: 204, error: null, gone: false } as const;
    const gone = { transition: 'fail', status: 410, error: 'gone', gone: true } as const;
    await store.recordDelivery({ ...outcome, ...(url === b ? gone : told) });
  }
  return { toldOf, delivery: deliveries.find(({ url }) => url === c)?.id ?? '' };
}
