/**
 * The thread that owns the database: an fsync blocks whoever waits for it, so it must not be the event loop that serves
 * people. Serves reads at once and writes in groups; whatever has arrived during a commit goes into the next group.
 */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { fail } from '../../kernel/errors.ts';
import { armFailpoints } from '../../kernel/failpoints.ts';
import { messageOf } from '../../kernel/result.ts';
import type { JournalEvent } from '../store.ts';
import { checkpointIfDue } from './checkpoint.ts';
import { FatalError, MAX_GROUP, commitGroup } from './group-commit.ts';
import { closeDatabase, openDatabase, renewWitness } from './open.ts';
import { carryOutRead, isWrite, type ReadContext } from './operations.ts';
import { classify } from './sql.ts';
import { Timings } from './stats.ts';
import { toWire, type Answer, type FromWorker, type Request, type ToWorker, type WorkerOptions } from './wire.ts';

if (parentPort === null) throw new Error('this file is the entry of a worker thread');
const port = parentPort;

function post(message: FromWorker): void {
  port.postMessage(message);
}

const queue: Request[] = [];
let isWatched = false;
let isClosing = false;

function take(message: ToWorker): void {
  if (message.watch !== undefined) isWatched = message.watch;
  if (message.close === true) isClosing = true;
  queue.push(...message.requests);
}

function read(store: ReadContext, [id, operation, , args]: Request): Answer {
  try {
    return [id, true, carryOutRead(store, operation, args) ?? null];
  } catch (error) {
    const failure = classify(error);
    if (failure === 'corrupt') return [id, false, toWire(fail('store-corrupt', `${store.path}: ${messageOf(error)}`))];
    if (failure === 'request') return [id, false, toWire(error)];
    return [id, false, toWire(fail('storage-failed', `${store.path}: ${messageOf(error)}`))];
  }
}

/** A recorded report tells of what the witness found: from here on the journal as it is counts as the truth. */
function isReport([, operation, , args]: Request): boolean {
  const patch = args[1];
  return operation === 'updateBoot' && typeof patch === 'object' && patch !== null && 'report' in patch;
}

/** Splits the queue: reads to answer now, and the next group of writes. */
function nextBatch(): { reads: Request[]; writes: Request[] } {
  const reads: Request[] = [];
  const writes: Request[] = [];
  const rest: Request[] = [];
  for (const request of queue) {
    if (!isWrite(request[1])) reads.push(request);
    else if (writes.length < MAX_GROUP) writes.push(request);
    else rest.push(request);
  }
  queue.length = 0;
  queue.push(...rest);
  return { reads, writes };
}

function drain(store: ReadContext): void {
  for (;;) {
    for (let next = receiveMessageOnPort(port); next !== undefined; next = receiveMessageOnPort(port)) {
      take(next.message as ToWorker);
    }
    if (queue.length === 0) break;
    const { reads, writes } = nextBatch();
    const answers = reads.map((request) => read(store, request));
    if (answers.length > 0) post({ kind: 'answers', answers, events: [] });
    if (writes.length === 0) continue;
    const group = commitGroup(store, writes);
    if (writes.some(isReport)) {
      store.mended.length = 0;
      if (store.witness === null) renewWitness(store);
    }
    const events: JournalEvent[] = isWatched ? group.events : [];
    post({ kind: 'answers', answers: group.answers, events });
    checkpointIfDue(store);
  }
}

function serve(store: ReadContext): void {
  const onMessage = (message: ToWorker): void => {
    try {
      take(message);
      drain(store);
      if (!isClosing) return;
      port.off('message', onMessage);
      closeDatabase(store);
      post({ kind: 'closed' });
    } catch (error) {
      // Nothing after this may be answered; the other thread ends the process.
      port.off('message', onMessage);
      post({ kind: 'fatal', message: error instanceof FatalError ? error.message : messageOf(error) });
    }
  };
  port.on('message', onMessage);
}

const options = workerData as WorkerOptions;
try {
  armFailpoints(options.failpoints ?? undefined);
  const store = openDatabase(options.path);
  post({ kind: 'ready', complaint: store.complaint });
  serve({ ...store, timings: new Timings() });
} catch (error) {
  post({ kind: 'refused', error: toWire(error) });
}
