/** Thread of one copy of the database, or of the check of one: posts the result, or an error, and ends. */
import { parentPort, workerData } from 'node:worker_threads';
import { checkCopy, copyDatabase, type CopyAnswer, type CopyRequest } from './copy-database.ts';
import { toWire } from './wire.ts';

function answer({ from, to }: CopyRequest): CopyAnswer {
  try {
    return from === null ? { check: checkCopy(to) } : { copied: copyDatabase(from, to) };
  } catch (error) {
    return { error: toWire(error) };
  }
}

parentPort?.postMessage(answer(workerData as CopyRequest));
