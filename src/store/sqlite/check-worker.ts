/** Thread of one deep check: posts the result, or an error text, and ends. */
import { parentPort, workerData } from 'node:worker_threads';
import { messageOf } from '../../kernel/result.ts';
import { checkDatabase } from './check-deep.ts';

const { path, complaint } = workerData as { path: string; complaint: string | null };
try {
  parentPort?.postMessage({ check: checkDatabase(path, complaint) });
} catch (error) {
  parentPort?.postMessage({ error: messageOf(error) });
}
