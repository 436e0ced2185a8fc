import { Readable } from 'node:stream';
import type { Services } from './services.ts';

/** What the routes of pipelines need; every reviewer is known. */
export const pipelineServices: Pick<
  Services,
  'readEvidence' | 'validateReviewers' | 'validatePush' | 'bundleJob' | 'patchJob'
> = {
  readEvidence: () => Promise.resolve(Buffer.from('evidence')),
  validateReviewers: () => undefined,
  validatePush: () => Promise.resolve(),
  bundleJob: () => Promise.resolve({ stream: Readable.from(['bundle']), shallow: [] }),
  patchJob: () => Promise.resolve(Buffer.from('patch')),
};
