/** C1 to C4, by what a receiver outside the home was sent, held against the journal of the home. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import type { Sink } from '../../src/callbacks/sink.fixture.ts';
import { sha256 } from '../../src/kernel/hash.ts';
import type { JobCallback } from '../../src/lifecycle/delivery.ts';
import type { JournalEvent } from '../../src/store/store.ts';
import { until } from '../support/poll.ts';
import type { World } from '../support/world.ts';
import { readStoppedHome } from './stopped-home.ts';

/** A configuration that lets this host be told, and does not wait for minutes. */
export const TELL_LOOPBACK = { allow: ['127.0.0.1'], retryWaitsMs: [200, 200, 200], timeoutMs: 2000 };

/** Waits until no message of this world is on its way. */
export async function awaitTold(world: World): Promise<void> {
  // One answer for all states: a message moves between two questions.
  await until('every message is sent or given up', async () => {
    const text = String((await world.api('GET', '/metrics')).body);
    const counts = [...text.matchAll(/^holdfast_deliveries\{state="(?:pending|sending|retrying)"\} (\d+)$/gm)];
    assert.equal(counts.length, 3);
    return counts.every(([, count]) => count === '0');
  });
}

/** One rotation was cut off: the journal says who wished for it and how it ended, and so says the file. No server lives. */
export async function checkRotation(world: World, isDone: boolean): Promise<void> {
  const file = JSON.parse(await readFile(world.home.callbackSecretFile, 'utf8')) as {
    current: string;
    previous: unknown[];
  };
  assert.equal(file.previous.length, isDone ? 1 : 0);
  const { events } = await readStoppedHome(world.home);
  const told = events.filter(({ kind }) => kind.startsWith('rotation.'));
  assert.deepEqual(
    told.map(({ kind, actor }) => [kind, actor]),
    [
      ['rotation.intend', 'local'],
      [isDone ? 'rotation.finish' : 'rotation.fail', 'local'],
    ],
  );
  assert.equal(told[0]?.data['secretSha256'] === sha256(file.current), isDone);
}

export interface ToldOptions {
  /** Ids that were redelivered by hand: they may come after later ones. */
  redelivered?: readonly string[];
  /** Ids that may have been given up: everything a receiver refuses. */
  mayFail?: boolean;
}

/** Asserts C1 to C4 for one receiver. The world has no server any more. */
export async function checkTold(world: World, sink: Sink, options: ToldOptions = {}): Promise<void> {
  const { events, check } = await readStoppedHome(world.home);
  assert.deepEqual(check.corrupt, []);
  const mine = events.filter(
    ({ kind, data }) => kind === 'delivery.create' && String(data['url']).startsWith(sink.url),
  );
  const made = new Map(mine.map((event) => [String(event.data['id']), event]));
  const received = new Map<string, number>();
  const newest = new Map<string, number>();
  for (const { id, body } of sink.received) {
    const event = made.get(id);
    assert.ok(event !== undefined, `C3: message ${id} was sent, the journal does not know it`);
    assert.equal(body, event.data['body'], `C2: message ${id} came with another body`);
    received.set(id, (received.get(id) ?? 0) + 1);
    if (options.redelivered?.includes(id) === true) continue;
    const lane = `${String(event.data['jobId'])} ${String(event.data['url'])}`;
    const number = Number(event.data['number']);
    assert.ok(number >= (newest.get(lane) ?? 0), `C4: message ${id} came after a later one of its job`);
    newest.set(lane, number);
  }
  const lost = [...made.keys()].filter((id) => !received.has(id));
  assert.deepEqual(options.mayFail === true ? [] : lost, [], 'C1: messages that never came');
  for (const event of events.filter(({ kind }) => kind === 'job.accept')) {
    const asked = ((event.data['callbacks'] ?? []) as JobCallback[]).filter(({ url }) => url.startsWith(sink.url));
    for (const callback of asked) checkEvery(event.subject, { callback, events, made: mine });
  }
}

/** C1, the other side: every move of a job that a receiver asked for has its message. */
function checkEvery(
  job: string,
  { callback, events, made }: { callback: JobCallback; events: readonly JournalEvent[]; made: readonly JournalEvent[] },
): void {
  for (const state of ['completed', 'failed', 'cancelled', 'timed_out', 'blocked'] as const) {
    const isAsked = callback.events.includes(`job.${state}`);
    const isMove = ({ kind, subject, data }: JournalEvent): boolean =>
      kind.startsWith('job.') && subject === job && data['state'] === state;
    const isMessage = ({ data }: JournalEvent): boolean =>
      data['jobId'] === job && data['url'] === callback.url && data['type'] === `job.${state}`;
    const moves = isAsked ? events.filter(isMove).length : 0;
    assert.equal(made.filter(isMessage).length, moves, `C1: job ${job} became ${state} ${moves} times`);
  }
}
