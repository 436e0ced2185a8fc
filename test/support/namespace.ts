import { spawnSync } from 'node:child_process';

const WAYS: readonly string[][] = [
  ['unshare', '--mount'],
  ['unshare', '--map-root-user', '--mount'],
];

/** Returns what runs a command in a mount namespace of its own (mounts in it end with it), or null where none may. */
export function mountNamespace(): string[] | null {
  return WAYS.find(([program = '', ...args]) => spawnSync(program, [...args, 'true']).status === 0) ?? null;
}

/** Why a test that needs one is skipped here, or false. */
export function whyNoNamespace(): string | false {
  return mountNamespace() === null && 'mount namespaces are not permitted here';
}
