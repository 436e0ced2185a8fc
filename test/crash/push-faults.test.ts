/**
 * A remote that a hand-off is pushed to and that fails first: what passes is tried again a few times, what does not is not,
 * and the hand-off is whole either way. The remote is git's own, reached through an ssh that can be told to fail.
 */
import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { until } from '../support/poll.ts';
import { git } from '../support/repository.ts';
import { World, type JobView } from '../support/world.ts';
import { checkInvariants } from './invariants.ts';

const PROMPT = JSON.stringify({ steps: [{ write: { path: 'answer', content: 'good' } }, { commit: 'Answer' }] });

interface Remote {
  bare: string;
  /** Looks and pushes that came, in their order, since this was asked last. */
  calls(): string[];
  /** How each of the next calls fails. */
  fail(...how: ('reset' | 'cut' | 'lock')[]): void;
}

/** Starts a server whose repository pushes to a remote of its own. */
async function serve(world: World): Promise<Remote> {
  const [bin, bare] = [join(world.root, 'bin'), join(world.root, 'remote.git')];
  const [calls, faults] = [join(world.witness, 'calls'), join(world.witness, 'faults')];
  await git(world.root, 'init', '-q', '--bare', bare);
  await git(bare, 'config', 'core.logAllRefUpdates', 'always');
  mkdirSync(bin);
  const lock = `${bare}/refs/heads/holdfast/1-work.lock`;
  writeFileSync(
    join(bin, 'ssh'),
    `#!/bin/sh
for last; do :; done
case "$last" in *receive-pack*) kind=push;; *) kind=look;; esac
echo $kind >> '${calls}'
rm -f '${lock}'
fault="$(head -n 1 '${faults}' 2>/dev/null)"
sed -i 1d '${faults}' 2>/dev/null
case "$fault" in
  reset) echo 'kex_exchange_identification: read: Connection reset by peer' >&2; exit 255;;
  cut) [ $kind = look ] || { sh -c "$last" < /dev/null; exit 0; };;
  lock) mkdir -p '${bare}/refs/heads/holdfast'; : > '${lock}';;
esac
exec sh -c "$last"
`,
  );
  chmodSync(join(bin, 'ssh'), 0o755);
  await world.start({ env: { PATH: `${bin}:${process.env['PATH'] ?? ''}` } });
  await world.register({ verify: [['true']], push: `ssh://host.invalid${bare}` });
  return {
    bare,
    calls() {
      const lines = existsSync(calls) ? readFileSync(calls, 'utf8').trim().split('\n') : [];
      writeFileSync(calls, '');
      return lines.filter((line) => line !== '');
    },
    fail: (...how) => writeFileSync(faults, how.map((one) => `${one}\n`).join('')),
  };
}

function submit(world: World): Promise<JobView> {
  return world.submit({ prompt: PROMPT, agent: 'scripted', pipeline: 'full' });
}

test('a push that failed on its way is tried again, and is made once', { timeout: 240_000 }, async () => {
  await using world = await World.create();
  const remote = await serve(world);
  const branch = 'holdfast/1-work';
  // Cut off while it looks, then by a lock of somebody else; the third time nothing is in the way.
  remote.fail('reset', 'lock', 'lock');
  const { id } = await submit(world);
  const end = await world.awaitState(id, 'ready', 'blocked', 'quarantined', 'failed');
  assert.deepEqual([end.state, end.reason, end.blocker], ['ready', null, null], await world.readLog());
  assert.deepEqual(remote.calls(), ['look', 'look', 'push', 'look', 'push']);
  assert.equal((await git(remote.bare, 'reflog', 'show', '--format=%H', branch)).trim().split('\n').length, 1);
  assert.match(await world.readLog(), /pushed again in 1000 ms.*Connection reset[^]*pushed again in 5000 ms/);
  await checkInvariants(world);
});

test(
  'it is given up after a few tries, and a refusal after one; the hand-off is whole',
  { timeout: 240_000 },
  async () => {
    await using world = await World.create();
    const remote = await serve(world);
    remote.fail('reset', 'reset', 'reset', 'reset', 'reset');
    const { id, number } = await submit(world);
    const held = await world.awaitState(id, 'ready', 'blocked', 'quarantined', 'failed');
    assert.deepEqual([held.state, held.reason], ['ready', 'push_failed'], held.blocker ?? '');
    assert.match(held.blocker ?? '', /^holdfast\/1-work was not pushed to ssh:.*Connection reset.* \(tried 3 times\)$/);
    assert.deepEqual(remote.calls(), ['look', 'look', 'look']);
    const patch = await world.api('GET', `/v1/jobs/${number}/patch`);
    assert.match(String(patch.body), /^\+good/m);
    remote.fail();
    // Somebody has taken its name for other commits: that is a refusal, and no way is found round it.
    await git(world.repository, 'commit', '-q', '--allow-empty', '-m', 'theirs');
    await git(world.repository, 'push', '-q', remote.bare, 'HEAD:refs/heads/holdfast/1-work');
    assert.equal((await world.api('POST', `/v1/jobs/${number}/retry`)).status, 200);
    const refused = await world.awaitState(id, 'ready', 'blocked', 'quarantined', 'failed');
    assert.deepEqual([refused.state, refused.reason], ['ready', 'push_failed']);
    assert.match(refused.blocker ?? '', /(fetch first|non-fast-forward)/);
    assert.doesNotMatch(refused.blocker ?? '', /tried/);
    assert.deepEqual(remote.calls(), ['look', 'push']);
    await checkInvariants(world);
  },
);

test('who waits to push again can be cancelled, and killed', { timeout: 240_000 }, async () => {
  await using world = await World.create();
  const remote = await serve(world);
  const pausing = async (times: number): Promise<void> => {
    await until('it waits', async () => (await world.readLog()).split('pushed again in 5000 ms').length > times);
  };
  remote.fail('reset', 'reset', 'reset');
  const first = await submit(world);
  await pausing(1);
  assert.equal((await world.api('POST', `/v1/jobs/${first.number}/cancel`)).status, 200);
  await world.awaitState(first.id, 'cancelled');
  assert.deepEqual(remote.calls(), ['look', 'look'], 'it did not wait for its last try');
  remote.fail('reset', 'reset');
  const second = await submit(world);
  await pausing(2);
  await world.kill();
  await world.start({ env: { PATH: `${join(world.root, 'bin')}:${process.env['PATH'] ?? ''}` } });
  const end = await world.awaitState(second.id, 'ready', 'blocked', 'quarantined', 'failed');
  assert.deepEqual([end.state, end.reason], ['ready', null], await world.readLog());
  assert.equal((await git(remote.bare, 'for-each-ref', '--format=%(refname)')).trim(), 'refs/heads/holdfast/2-work');
  await checkInvariants(world);
});
