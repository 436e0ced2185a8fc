/** The rarer kinds of orphans, each planted beside a look-alike, with a real store, real files and real processes. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { AttemptContext } from '../../attempts/context.ts';
import { isAlive, readHostIdentity, readProcess } from '../../keeper/host-identity.ts';
import { RUN_FILES, encodeRecord } from '../../keeper/protocol.ts';
import { newId } from '../../kernel/ids.ts';
import { homeLayout } from '../../lifecycle/home.ts';
import type { Orphan } from '../../lifecycle/orphan.ts';
import { accept, newBoot, newRepository } from '../../store/conformance/fixtures.ts';
import { makeScratch, startStore } from '../../store/sqlite/harness.fixture.ts';
import type { Store } from '../../store/store.ts';
import { createResourceKeeper, type ResourceKeeper } from '../resource-keeper.ts';
import { repairOrphan } from './repair.ts';
import { scanOrphans } from './scan.ts';

interface Bench {
  ctx: AttemptContext;
  store: Store;
  resources: ResourceKeeper;
  look: () => Promise<Orphan[]>;
  /** Repairs what is named like this; returns how it went. */
  repair: (name: string) => Promise<string>;
}

function nameOf({ kind, path, identity }: Orphan): string {
  return `${kind} ${identity ?? path ?? ''}`;
}

/** Opens a home of its own with the repository `app`. */
async function withHome(body: (bench: Bench) => Promise<void>): Promise<void> {
  using scratch = makeScratch();
  const home = homeLayout(scratch.directory);
  for (const folder of [home.jobs, home.repos, home.removals]) mkdirSync(folder);
  await using store = await startStore({ path: home.database });
  await store.addRepository(newRepository());
  await store.recordBoot(newBoot('boot_now'));
  const quiet = (): void => undefined;
  const log = { debug: quiet, info: quiet, warn: quiet, error: quiet };
  const clock = { now: () => Date.now(), monotonic: () => performance.now() };
  const identity = readHostIdentity();
  const fixed = { home, clock, log, identity, boot: 'boot_now', host: 'host_here' };
  const ctx = { ...fixed, store } as unknown as AttemptContext;
  const { signal } = new AbortController();
  const adapter = { remove: async () => true };
  const resources = createResourceKeeper(ctx, { container: adapter } as never);
  const look = async (): Promise<Orphan[]> => {
    const found: Orphan[] = [];
    for await (const orphan of scanOrphans(ctx, signal)) {
      // Other tests of this machine have processes of other homes.
      if (orphan.ours || orphan.kind !== 'process') found.push(orphan);
    }
    return found;
  };
  const repair = async (name: string): Promise<string> => {
    const orphan = (await look()).find((one) => nameOf(one) === name);
    assert.ok(orphan !== undefined, `${name} is not found`);
    return (await repairOrphan(ctx, resources, { orphan, actor: 'ann' })).outcome;
  };
  await body({ ctx, store, resources, look, repair });
}

function actionsOf(found: readonly Orphan[]): Record<string, string> {
  return Object.fromEntries(found.map((one) => [nameOf(one), one.ours ? one.action : 'not ours']));
}

test('a lock of an earlier start: released when nothing of its holder lives, kept while something does', () =>
  withHome(async ({ store, look, repair }) => {
    await store.addRepository(newRepository({ name: 'lib' }));
    await store.addRepository(newRepository({ name: 'own' }));
    const child = spawn('sleep', ['60'], { stdio: 'ignore' });
    try {
      const alive = { pid: child.pid ?? 0, start: readProcess(child.pid ?? 0)?.start ?? '' };
      const dead = { ...alive, start: '1' };
      const take = (key: string, boot: string, holder: typeof alive) =>
        store.acquireLock({ key, boot, holder, operation: `op_${key}`, jobId: null });
      await take('repo:app', 'boot_gone', dead);
      await take('repo:lib', 'boot_gone', alive);
      await take('repo:own', 'boot_now', dead);
      assert.deepEqual(actionsOf(await look()), { 'lock repo:app': 'release-lock', 'lock repo:lib': 'none' });
      assert.equal(await repair('lock repo:app'), 'done');
      assert.deepEqual(
        (await store.listLocks()).map(({ key }) => key),
        ['repo:lib', 'repo:own'],
      );
    } finally {
      child.kill('SIGKILL');
    }
  }));

test('a resource whose removal failed is tried again by name only', () =>
  withHome(async ({ store, look, repair }) => {
    const job = await accept(store);
    const input = { jobId: job.id, kind: 'container' as const, target: 'db', principal: 'local' };
    const failed = await store.addResource({ ...input, facts: { engineId: 'a' }, identity: 'a' });
    const due = await store.addResource({ ...input, facts: { engineId: 'b' }, identity: 'b' });
    await store.requestCancel(job.id, 'local');
    const move = { id: failed.id, note: null, actor: 'server' };
    await store.moveResource({ ...move, transition: 'begin' });
    await store.moveResource({ ...move, transition: 'fail', note: 'the engine does not answer' });
    const found = await look();
    assert.deepEqual(actionsOf(found), { [`resource ${failed.id}`]: 'remove-resource' });
    assert.match(found[0]?.note ?? '', /container db: the engine does not answer/);
    assert.equal(await repair(`resource ${failed.id}`), 'done');
    assert.equal((await store.getResource(failed.id))?.state, 'removed');
    assert.equal((await store.getResource(due.id))?.state, 'registered', 'only the one that was named');
  }));

test('the directory of a repository that was removed; one that never was is only reported', () =>
  withHome(async ({ ctx, store, look, repair }) => {
    const { id } = (await store.addRepository(newRepository({ name: 'gone' }))).repository;
    await store.removeRepository('gone', 'local');
    mkdirSync(join(ctx.home.repos, id));
    assert.deepEqual(await look(), [], 'its removal is under way');
    await store.finishRemoval(id);
    const stranger = join(ctx.home.repos, newId('repo', Date.now()));
    mkdirSync(stranger);
    const own = `repository-directory ${join(ctx.home.repos, id)}`;
    assert.deepEqual(actionsOf(await look()), { [own]: 'remove', [`repository-directory ${stranger}`]: 'not ours' });
    assert.equal(await repair(own), 'done');
    assert.deepEqual(readdirSync(ctx.home.repos), [stranger.split('/').at(-1)]);
  }));

test('a keeper without a row is named and ended by name; one of another home is only reported', () =>
  withHome(async ({ ctx, store, look, repair }) => {
    const job = await accept(store);
    const { boot, pidns, init } = ctx.identity;
    const keepers = ['host_here', 'host_elsewhere'].map((host, n) => {
      const child = spawn('sleep', ['60'], { stdio: 'ignore' });
      const identity = { pid: child.pid ?? 0, start: readProcess(child.pid ?? 0)?.start ?? '' };
      const runDir = ctx.home.runDirectory(job.id, 7 + n);
      mkdirSync(runDir, { recursive: true });
      const attempt = newId('att', Date.now());
      const claim = { host, boot, pidns, init, ...identity, at: Date.now(), tombstone: false };
      writeFileSync(join(runDir, RUN_FILES.claim), encodeRecord(attempt, claim));
      return { child, identity, runDir, name: `process keeper ${attempt}` };
    });
    const [own, foreign] = keepers;
    try {
      const found = actionsOf(await look());
      assert.equal(found[own?.name ?? ''], 'end-processes');
      assert.equal(found[`run-directory ${own?.runDir}`], 'none', 'it lives still');
      assert.equal(found[`run-directory ${foreign?.runDir}`], 'not ours');
      assert.equal(await repair(own?.name ?? ''), 'done');
      assert.deepEqual(
        keepers.map(({ identity }) => isAlive(identity)),
        [false, true],
      );
      assert.equal(actionsOf(await look())[`run-directory ${own?.runDir}`], 'remove');
    } finally {
      for (const { child } of keepers) child.kill('SIGKILL');
    }
  }));
