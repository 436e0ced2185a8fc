import type { FastifyInstance } from 'fastify';
import type { RecoveryReport } from '../lifecycle/report.ts';
import type { NewQuarantine } from '../store/quarantine-store.ts';

/** What changes while one server lives; everything else is fixed when it is composed. */
export interface ServerState {
  /** Base URL, empty until it listens. */
  url: string;
  /** Phase of the start, then `ready`, then `stopping`. */
  phase: string;
  ready: boolean;
  /** Resources this start could not make available. */
  degraded: string[];
  http: FastifyInstance | null;
  report: RecoveryReport;
  /** What this start found damaged by itself, to be set aside once it is ready. */
  damaged: NewQuarantine[];
}
