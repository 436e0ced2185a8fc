import { Counter, Gauge, type Registry } from 'prom-client';
import type { RetentionState } from '../recovery/retention/retention-keeper.ts';

/** Adds the metrics of retention to a registry; returns what brings them up to date. */
export function observeRetentionIn(registry: Registry, state: () => RetentionState): () => void {
  const registers = [registry];
  const removed = new Counter({
    name: 'holdfast_retention_removed_total',
    help: 'What was old enough and is removed: workspaces, jobs, staged (sent and never recorded)',
    labelNames: ['what'],
    registers,
  });
  const kept = new Gauge({
    name: 'holdfast_retention_kept',
    help: 'What was old enough at the last look and stays, because it cannot be saved or is not over',
    registers,
  });
  const suspended = new Gauge({
    name: 'holdfast_retention_suspended_seconds',
    help: 'How far the clock is ahead of the time that evidently passed; retention counts without it',
    registers,
  });
  return () => {
    const now = state();
    removed.reset();
    for (const [what, count] of Object.entries(now.removed)) removed.inc({ what }, count);
    kept.set(now.keptTotal);
    suspended.set(now.witness.aheadMs / 1000);
  };
}
