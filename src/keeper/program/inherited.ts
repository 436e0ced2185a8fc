/**
 * Lets go of what whoever started this process had open: a descriptor of the server kept here would keep its port, its
 * locks or its pipes alive for as long as the agent runs, and would be passed on to the agent.
 */
import { closeSync, readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { errnoOf } from '../../kernel/result.ts';

const CLOSE_ON_EXEC = 0o2000000;

interface Descriptor {
  fd: number;
  target: string;
  closesOnExec: boolean;
}

/**
 * Closes inherited descriptors from 3 on; call it before anything is opened. Node marks low ones close-on-exec at its
 * start, so the flag alone does not tell them from its own: those are anonymous inodes, pipes with both ends here, and
 * a /dev/null kept in reserve. Everything else came from outside.
 */
export function closeInherited(): void {
  const all = listDescriptors();
  const ends = new Map<string, number>();
  for (const { target } of all) ends.set(target, (ends.get(target) ?? 0) + 1);
  for (const one of all) {
    const own =
      one.target.startsWith('anon_inode:') ||
      one.target === '/dev/null' ||
      (one.target.startsWith('pipe:') && ends.get(one.target) === 2);
    if (!one.closesOnExec || !own) closeSync(one.fd);
  }
}

function listDescriptors(): Descriptor[] {
  const all: Descriptor[] = [];
  for (const name of readdirSync('/proc/self/fd')) {
    const fd = Number(name);
    if (fd < 3) continue;
    try {
      const flags = /^flags:\s+([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'))?.[1] ?? '0';
      const closesOnExec = (Number.parseInt(flags, 8) & CLOSE_ON_EXEC) !== 0;
      all.push({ fd, target: readlinkSync(`/proc/self/fd/${fd}`), closesOnExec });
    } catch (error) {
      // The descriptor by which the listing itself was read.
      if (errnoOf(error) !== 'ENOENT') throw error;
    }
  }
  return all;
}
