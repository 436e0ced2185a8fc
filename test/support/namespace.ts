import { spawnSync } from 'node:child_process';

/** Alone, or with rights made for it where the caller has none. */
const RIGHTS: readonly string[][] = [[], ['--map-root-user']];

function findWay(flags: readonly string[]): string[] | null {
  const ways = RIGHTS.map((rights) => ['unshare', ...rights, ...flags]);
  return ways.find(([program = '', ...args]) => spawnSync(program, [...args, 'true']).status === 0) ?? null;
}

/** Returns what runs a command in a mount namespace of its own (mounts in it end with it), or null where none may. */
export function mountNamespace(): string[] | null {
  return findWay(['--mount']);
}

/** Returns what runs a command as process 1 of a pid namespace of its own, as a container does, or null. */
export function pidNamespace(): string[] | null {
  return findWay(['--pid', '--fork', '--mount-proc', '--kill-child']);
}

/** Why a test is skipped that needs what was not found, or false. */
export function whyNone(way: string[] | null): string | false {
  return way === null && 'namespaces are not permitted here';
}
