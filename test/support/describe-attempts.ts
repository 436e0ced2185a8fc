/** What the disk and /proc tell of the attempts of a job: said by a test that waited for it in vain, before all of it is gone. */
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { scanProcesses } from '../../src/keeper/processes.ts';
import { RUN_FILES } from '../../src/keeper/protocol.ts';
import { messageOf } from '../../src/kernel/result.ts';
import type { Home } from '../../src/lifecycle/home.ts';
import { listAttempts } from './world-processes.ts';

/** Returns the files, the keeper's log and the processes of every attempt of this job. */
export async function describeAttempts(home: Home, job: string): Promise<string> {
  const scan = scanProcesses();
  const lines: string[] = [];
  for (const { id, number, runDir, keeper, agent } of (await listAttempts(home)).filter((one) => one.job === job)) {
    const files = readdirSync(runDir).map((name) => `${name} ${sizeOf(join(runDir, name))}`);
    lines.push(`attempt ${number}: ${files.join(', ')}`);
    lines.push(
      ...tryRead(join(runDir, RUN_FILES.log))
        .split('\n')
        .map((line) => `  keeper.log ${line}`),
    );
    const pids = [keeper, agent, ...(scan.attempts.get(id) ?? [])].flatMap((one) => (one === null ? [] : [one.pid]));
    lines.push(...[...new Set(pids)].map((pid) => `  ${describeProcess(pid)}`));
  }
  return lines.join('\n');
}

function describeProcess(pid: number): string {
  const status = tryRead(`/proc/${pid}/status`);
  const facts = ['Name', 'State', 'PPid', 'Threads', 'SigPnd', 'ShdPnd'].map((name) => fieldOf(status, name));
  return `process ${pid}: ${facts.join(' ')} waits in ${tryRead(`/proc/${pid}/wchan`)}`;
}

function fieldOf(status: string, name: string): string {
  return `${name} ${new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(status)?.[1] ?? '-'}`;
}

/** A socket or a temporary file may go between the listing and the look. */
function sizeOf(path: string): number | string {
  return statSync(path, { throwIfNoEntry: false })?.size ?? '-';
}

function tryRead(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    return messageOf(error);
  }
}
