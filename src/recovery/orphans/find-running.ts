import { readlinkSync } from 'node:fs';
import { isAlive, readProcess, type ProcessIdentity } from '../../keeper/host-identity.ts';
import { readEnvironment, readVariable } from '../../keeper/process-environment.ts';
import { isId } from '../../kernel/ids.ts';
import { errnoOf } from '../../kernel/result.ts';
import type { Orphan } from '../../lifecycle/orphan.ts';
import { describeOrphan, inParts, type Look } from './look.ts';

/** Finds processes that carry a token of ours and belong to no attempt and no operation that lives. */
export async function* findRunning(look: Look): AsyncGenerator<Orphan> {
  const { processes } = look;
  for (const part of inParts([...processes.attempts.keys()])) yield* findOfAttempts(look, part);
  yield* findOfOperations(look);
}

async function* findOfAttempts(look: Look, ids: readonly string[]): AsyncGenerator<Orphan> {
  const known = new Map((await look.ctx.store.findAttempts(ids)).map((one) => [one.id, one]));
  for (const id of ids) {
    const row = known.get(id);
    if (row?.state === 'intended' || row?.state === 'running') continue;
    const found = stillAlive(look.processes.attempts.get(id) ?? []);
    if (found.length === 0) continue;
    const inHome = row === undefined && found.some((one) => isBelow(one, look.ctx.home.jobs));
    yield describeOrphan(look, {
      kind: 'process',
      identity: `attempt ${id}`,
      jobId: row?.jobId ?? null,
      ours: row !== undefined || inHome,
      why:
        row !== undefined
          ? `attempt ${id} of this home is ${row.state}`
          : inHome
            ? 'no attempt of this home has this id, but its HOME or its directory lies in it'
            : 'no attempt of this home has this id; it may be of another home',
      action: 'end-processes',
      note: `${listPids(found)} carry HOLDFAST_ATTEMPT=${id}${row?.jobState === 'quarantined' ? '; its job is quarantined' : ''}`,
    });
  }
}

/** Children of an earlier server: those of this one descend from it. */
async function* findOfOperations(look: Look): AsyncGenerator<Orphan> {
  for (const [operation, members] of look.processes.operations) {
    const found = stillAlive(members);
    if (found.length === 0 || found.some((one) => readProcess(one.pid)?.ppid === process.pid)) continue;
    const owner = operation.split('.')[0] ?? '';
    if (!(await isKnown(look, owner))) continue;
    yield describeOrphan(look, {
      kind: 'process',
      identity: `operation ${operation}`,
      jobId: isId('job', owner) ? owner : null,
      ours: true,
      why: `${owner} is of this home, and this server did not start them`,
      action: 'end-processes',
      note: `${listPids(found)} carry HOLDFAST_OP=${operation}`,
    });
  }
}

async function isKnown({ ctx }: Look, owner: string): Promise<boolean> {
  if (isId('job', owner)) return (await ctx.store.getJob(owner)) !== null;
  if (isId('res', owner)) return (await ctx.store.getResource(owner)) !== null;
  return (await ctx.store.listRepositories()).some(({ id }) => id === owner);
}

function stillAlive(members: readonly ProcessIdentity[]): ProcessIdentity[] {
  return members.filter((one) => one.pid !== process.pid && isAlive(one));
}

function listPids(members: readonly ProcessIdentity[]): string {
  return `${members.length === 1 ? 'process' : 'processes'} ${members.map(({ pid }) => pid).join(', ')}`;
}

/** Whether a process works or has its home below `directory`, as far as /proc tells. */
function isBelow({ pid }: ProcessIdentity, directory: string): boolean {
  const home = readVariable(readEnvironment(pid) ?? '', 'HOME') ?? '';
  return [home, readDirectory(pid)].some((path) => path.startsWith(`${directory}/`));
}

function readDirectory(pid: number): string {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes(errnoOf(error) ?? '')) return '';
    throw error;
  }
}
