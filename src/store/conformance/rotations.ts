import assert from 'node:assert/strict';
import { it } from 'node:test';
import { withStore, type OpenHarness } from './fixtures.ts';
import { rejectsWith } from './rejects.ts';

const WISH = { secretSha256: 'a'.repeat(64), actor: 'ann' };

/** New secrets of callbacks: one wish at a time, told in the journal from the wish to its end. */
export function testRotations(open: OpenHarness): void {
  it('records a rotation from the wish to its end, one at a time', () =>
    withStore(open, async ({ store, reopen }) => {
      assert.equal(await store.findOpenRotation(), null);
      const first = await store.intendRotation(WISH);
      await rejectsWith('state-conflict', store.intendRotation(WISH));
      const stored = await reopen();
      assert.deepEqual(await stored.findOpenRotation(), first);
      const done = await stored.endRotation({ id: first.id, transition: 'finish' });
      assert.deepEqual([done.state, done.actor, done.endedAt === null], ['done', 'ann', false]);
      assert.equal(await stored.findOpenRotation(), null);
      await rejectsWith('state-conflict', stored.endRotation({ id: first.id, transition: 'fail' }));
      await rejectsWith('not-found', stored.endRotation({ id: 'rot_none', transition: 'fail' }));
      const second = await stored.intendRotation(WISH);
      assert.equal((await stored.endRotation({ id: second.id, transition: 'fail' })).state, 'failed');
      const events = (await stored.listEvents({ after: 0, limit: 100 })).filter(({ kind }) =>
        kind.startsWith('rotation'),
      );
      assert.deepEqual(
        events.map(({ kind, subject, actor }) => [kind, subject, actor]),
        [
          ['rotation.intend', first.id, 'ann'],
          ['rotation.finish', first.id, 'ann'],
          ['rotation.intend', second.id, 'ann'],
          ['rotation.fail', second.id, 'ann'],
        ],
      );
      assert.deepEqual((await stored.checkDeep()).corrupt, []);
    }));
}
