/**
 * A remote without a network: an `ssh` first in the PATH of a server, which runs what it is asked on this machine. It
 * tells of every call, and can be made to answer as one does when the line is down.
 */
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { git } from './repository.ts';
import type { World } from './world.ts';

export interface Remote {
  /** Its bare repository. */
  bare: string;
  /** What it is registered by. */
  url: string;
  /** For the environment of a server. */
  path: string;
  goDown(): Promise<void>;
  comeBack(): Promise<void>;
  /** How often it was called so far. */
  countCalls(): Promise<number>;
  /** A person commits a file on its `main`; returns the commit. */
  commitFile(name: string, content: string): Promise<string>;
}

/** Makes a remote with what the world's own repository has. */
export async function createRemote(world: World): Promise<Remote> {
  const bare = join(world.root, 'remote.git');
  await git(world.root, 'clone', '-q', '--bare', world.repository, bare);
  await git(bare, 'config', 'core.logAllRefUpdates', 'always');
  const bin = join(world.root, 'bin');
  const [calls, down] = [join(world.root, 'ssh-calls'), join(world.root, 'ssh-down')];
  await mkdir(bin);
  const script = `#!/bin/sh
echo call >> '${calls}'
if [ -e '${down}' ]; then echo 'ssh: connect to host: Connection refused' >&2; exit 255; fi
for last; do :; done
exec sh -c "$last"
`;
  await writeFile(join(bin, 'ssh'), script);
  await chmod(join(bin, 'ssh'), 0o755);
  return {
    bare,
    url: `ssh://host.invalid${bare}`,
    path: `${bin}:${process.env['PATH'] ?? ''}`,
    goDown: () => writeFile(down, ''),
    comeBack: () => rm(down),
    countCalls: async () => (await readFile(calls, 'utf8')).split('\n').length - 1,
    commitFile: (name, content) => commitTo(join(world.root, `clone-${name}`), { bare, name, content }),
  };
}

async function commitTo(clone: string, what: { bare: string; name: string; content: string }): Promise<string> {
  await git(what.bare, 'clone', '-q', what.bare, clone);
  await writeFile(join(clone, what.name), what.content);
  await git(clone, 'add', what.name);
  await git(clone, 'commit', '-q', '-m', `change ${what.name}`);
  await git(clone, 'push', '-q', 'origin', 'main');
  return (await git(clone, 'rev-parse', 'HEAD')).trim();
}
