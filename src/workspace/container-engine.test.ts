import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { StandInEngine } from '../../test/support/engine.ts';
import { inspectEngine, removeFromEngine, type Engine } from './container-engine.ts';

async function withEngine(body: (engine: Engine, stand: StandInEngine) => Promise<void>): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), 'holdfast-engine-'));
  try {
    const stand = await StandInEngine.make(root);
    await body(
      { commands: [[join(root, 'not-installed')], stand.command], env: { PATH: process.env['PATH'] ?? '' } },
      stand,
    );
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

for (const kind of ['container', 'network'] as const) {
  test(`a ${kind} is found by its name and removed by its full id`, () =>
    withEngine(async (engine, stand) => {
      const [id, other] = [await stand.add(kind, 'db'), await stand.add(kind, 'other')];
      const found = await inspectEngine(engine, kind, 'db');
      assert.equal(found?.id, id);
      assert.ok(found?.createdAt !== null && Math.abs(found.createdAt - Date.now()) < 600_000);
      assert.equal(await inspectEngine(engine, kind, 'nothing'), null);
      assert.equal(await removeFromEngine(engine, { kind, id, op: 'res_x.remove' }), true);
      assert.equal(await removeFromEngine(engine, { kind, id, op: 'res_x.remove' }), false);
      assert.deepEqual(await stand.list(kind), [other]);
    }));
}

test('an engine that does not answer proves nothing', () =>
  withEngine(async (engine, stand) => {
    const id = await stand.add('container', 'db');
    await stand.misbehave('down');
    await assert.rejects(inspectEngine(engine, 'container', 'db'), { code: 'resource-failed', message: /daemon/ });
    await assert.rejects(removeFromEngine(engine, { kind: 'container', id, op: 'x' }), { code: 'resource-failed' });
    await assert.rejects(inspectEngine({ ...engine, commands: [['/no/engine']] }, 'container', 'db'), {
      code: 'resource-failed',
      message: /not installed/,
    });
  }));

test('what the engine does not remove is not removed', () =>
  withEngine(async (engine, stand) => {
    const id = await stand.add('network', 'lan');
    await stand.misbehave('stubborn');
    const removal = removeFromEngine(engine, { kind: 'network', id, op: 'x' });
    await assert.rejects(removal, { code: 'resource-failed', message: /active endpoints/ });
  }));

test('a name can never be an option or reach a shell, and only a full id is removed', () =>
  withEngine(async (engine, stand) => {
    for (const name of ['--all', '-f', 'a b', '$(id)', 'a;b', '', 'a/b', 'a\nb']) {
      await assert.rejects(inspectEngine(engine, 'container', name), { code: 'resource-refused' }, name);
    }
    await stand.add('container', 'db');
    await assert.rejects(removeFromEngine(engine, { kind: 'container', id: 'db', op: 'x' }), {
      code: 'resource-refused',
    });
    assert.deepEqual(await stand.readCalls(), []);
  }));
