/** The points at which a scenario can be killed: every durable operation it was seen to do, by name, path and count. */
import { isDurable, type Operation } from './operation-log.ts';
import type { Fault } from './shim.ts';

export interface KillPoint {
  scenario: string;
  /** Whose operation it is. */
  role: 'server' | 'keeper' | 'store';
  fault: Fault;
  /** Fault of the next start, which recovers from this one. */
  again?: Fault;
}

/** Returns the points of one process, in the order of its operations. */
export function listPoints(scenario: string, role: KillPoint['role'], operations: readonly Operation[]): KillPoint[] {
  const first = operations.find((one) => one.role === role)?.pid;
  const counts = new Map<string, number>();
  const points: KillPoint[] = [];
  for (const operation of operations) {
    if (operation.pid !== first || !isDurable(operation)) continue;
    const key = `${operation.op} ${operation.class}`;
    const occurrence = (counts.get(key) ?? 0) + 1;
    counts.set(key, occurrence);
    const whens: Fault['when'][] = operation.op === 'write' ? ['before', 'torn', 'after'] : ['before', 'after'];
    for (const when of whens) {
      const fault: Fault = { when, op: operation.op, path: operation.class, occurrence, errno: 0 };
      points.push({ scenario, role, fault });
    }
  }
  return points;
}

/** Returns every n-th so that at most `limit` remain, spread evenly; the same ones for the same input. */
export function thinOut<T>(list: readonly T[], limit: number): T[] {
  if (list.length <= limit) return [...list];
  return Array.from({ length: limit }, (_, index) => list[Math.floor((index * list.length) / limit)] as T);
}
