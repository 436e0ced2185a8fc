import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { packetSchema } from '../pipeline/packet.ts';
import { orderPackets, type OrderedPacket } from './packet-order.ts';

/** `id: dependencies` as the packets of one call. */
function packets(...lines: readonly string[]): OrderedPacket[] {
  return lines.map((line, at) => {
    const [id = '', names = ''] = line.split(':');
    const dependencies = names.split(' ').filter((name) => name !== '');
    return { name: `p.yaml #${at + 1}`, packet: packetSchema.parse({ ...(id === '' ? {} : { id }), dependencies }) };
  });
}

const faultsOf = (...lines: readonly string[]): [number, string][] =>
  orderPackets(packets(...lines)).faults.map(({ at, why }) => [at, why]);

describe('packets that are sent together', () => {
  it('are sent in the order of their files, each after those it depends on', () => {
    const { order, links, faults } = orderPackets(packets('c: b a', 'a:', ':', 'b: a 12', 'd:'));
    assert.deepEqual([order, faults], [[1, 2, 3, 0, 4], []]);
    assert.deepEqual(links[3], { packets: [1], jobs: ['12'] });
    assert.deepEqual(orderPackets(packets('', '', '')).order, [0, 1, 2]);
    assert.deepEqual(orderPackets(packets('a:', 'b: a a')).links[1], { packets: [0], jobs: [] });
  });

  it('are refused with their names where two have one id, or one comes after itself', () => {
    assert.deepEqual(faultsOf('a:', 'b:', 'a:'), [[2, 'the id "a" is that of p.yaml #1 too']]);
    assert.deepEqual(faultsOf('a: a'), [[0, 'it comes after itself: a → a']]);
    assert.deepEqual(faultsOf('x: a', 'a: b', 'b: c', 'c: a', 'free:'), [[1, 'it comes after itself: a → b → c → a']]);
    assert.deepEqual(faultsOf('a: b', 'b: a', 'c: d', 'd: c').length, 2);
  });

  it('are refused where the name of one could be the number of a job', () => {
    assert.deepEqual(faultsOf('12:', 'b: 12'), [[1, '"12" is the id of a packet, and could be a job: rename it']]);
    assert.deepEqual(faultsOf('12:', 'b:'), []);
  });

  it('are each sent once and after all they depend on, whatever the files say', () => {
    const names = fc.array(fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g'), { maxLength: 4 });
    fc.assert(
      fc.property(fc.array(names, { maxLength: 7 }), (lists) => {
        const lines = lists.map((list, at) => `${'abcdefg'.charAt(at)}: ${list.join(' ')}`);
        const { order, links, faults } = orderPackets(packets(...lines));
        const sent = new Set<number>();
        for (const at of order) {
          for (const one of links[at]?.packets ?? []) assert.ok(sent.has(one));
          assert.ok(!sent.has(at));
          sent.add(at);
        }
        assert.equal(order.length < lists.length, faults.length > 0);
      }),
    );
  });
});
