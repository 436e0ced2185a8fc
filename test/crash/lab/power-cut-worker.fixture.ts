/** Thread that tries its share of the cuts of a recorded run, and posts what it found. */
import { parentPort, workerData } from 'node:worker_threads';
import { readLog } from './operation-log.ts';
import { tryCuts, type CutPlan } from './power-cut.ts';

const { log, ...plan } = workerData as Omit<CutPlan, 'operations'> & { log: string };
parentPort?.postMessage(tryCuts({ ...plan, operations: readLog(log) }));
