/** Callbacks by command line, against a real server and a real receiver. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openSink } from '../../src/callbacks/sink.fixture.ts';
import { until } from '../support/poll.ts';
import { World } from '../support/world.ts';
import { run } from './command.ts';

test(
  'a job tells its URL; what failed is seen and sent again; the secret is shown and rotated',
  { timeout: 120_000 },
  async () => {
    let status = 404;
    await using sink = await openSink((_, response) => void response.writeHead(status).end());
    await using world = await World.create();
    await world.configure({ callbacks: { allow: ['127.0.0.1'] } });
    await world.start();
    await world.register();
    const none = await run(world, ['callbacks']);
    assert.deepEqual([none.code, none.stdout], [0, ''], none.stderr);
    const words = ['run', '--repo', 'demo', '--callback', `${sink.url}/hook`, '--wait', '--', 'true'];
    const job = await run(world, words);
    assert.deepEqual([job.code, job.stdout], [0, '1\n'], job.stderr);
    const failed = await until('three messages failed', async () => {
      const { stdout } = await run(world, ['callbacks', '--failed', '--job', '1', '--json']);
      const { items } = JSON.parse(stdout) as { items: { id: string; type: string; lastError: string }[] };
      return items.length === 3 ? items : null;
    });
    assert.deepEqual(
      failed.map(({ type }) => type),
      ['job.completed', 'job.started', 'job.queued'],
    );
    const table = await run(world, ['callbacks', '--failed']);
    assert.match(table.stdout, /ID +EVENT +STATE[^]*job\.completed +failed +1 [^]*it answered 404/);
    status = 204;
    const again = await run(world, ['callback', 'redeliver', failed[0]?.id ?? '']);
    assert.equal(again.code, 0, again.stderr);
    await until('it arrived', () => sink.received.filter(({ id }) => id === failed[0]?.id).length === 2);
    const unknown = await run(world, ['callback', 'redeliver', 'dlv_none']);
    assert.equal(unknown.code, 3, unknown.stderr);
    const first = await run(world, ['callbacks', 'secret']);
    assert.match(first.stdout, /^whsec_[A-Za-z0-9+/]{43}=\n$/);
    const rotated = await run(world, ['callbacks', 'secret', '--rotate']);
    assert.notEqual(rotated.stdout, first.stdout);
    assert.match(rotated.stderr, /a former secret still signs beside it until 2/);
    const refused = await run(world, ['run', '--repo', 'demo', '--callback', 'http://10.0.0.1/', '--', 'true']);
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, /10\.0\.0\.1 is no public address/);
  },
);
