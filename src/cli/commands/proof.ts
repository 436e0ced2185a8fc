import { randomInt } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { systemClock } from '../../kernel/clock.ts';
import { makeDirectory, writeDurable } from '../../kernel/durable.ts';
import { fail } from '../../kernel/errors.ts';
import { messageOf } from '../../kernel/result.ts';
import type { Call, Runtime } from '../command.ts';
import { findHome } from '../shell.ts';
import { wholeNumber } from '../words.ts';

/** Servers mostly wait for agents and gates: more plays at once than cores. */
const LANES_PER_CORE = 2;

/** Adds `proof`: every promise of the pipeline, held against what is seen when servers are killed on the way. */
export function registerProof(program: Command, runtime: Runtime): void {
  const command = program
    .command('proof')
    .summary('prove the pipeline on this machine')
    .description(
      'Play jobs of scripted agents through the whole pipeline in temporary homes, kill the server with SIGKILL in every stage\n' +
        'at five moments, and compare each end with that of an unbroken play. Needs no network and no credentials. Writes\n' +
        'proof.json and proof.md into the current directory. Exit code 0 only if every line is held.',
    )
    .option('--seed <n>', 'order of the kills', wholeNumber(0, 2 ** 31 - 1))
    .option('--output <dir>', 'where proof.json and proof.md are written (default: the current directory)');
  runtime.handle<{ seed?: number; output?: string }>(command, proof);
}

async function proof({ shell, terminal, options }: Call<{ seed?: number; output?: string }>): Promise<number> {
  const { prove } = await import('../proof/prove.ts');
  const { compare, lookAt } = await import('../proof/outside.ts');
  const { watchWrites } = await import('../proof/watch-writes.ts');
  const { narrate, renderProof } = await import('../proof/render.ts');
  const seed = options.seed ?? randomInt(2 ** 31);
  const directory = resolve(shell.cwd, options.output ?? '.');
  // Before minutes of work, not after them.
  await makeDirectory(directory).catch((error: unknown) => {
    throw fail('bad-usage', `--output: no directory can be made there: ${messageOf(error)}`);
  });
  const roots = [shell.cwd, findHome(undefined, shell)];
  const before = await lookAt(roots);
  const told = terminal.json ? () => undefined : narrate(terminal);
  const began = systemClock.monotonic();
  const proved = await prove({
    shell,
    seed,
    lanes: availableParallelism() * LANES_PER_CORE,
    audience: told,
    now: () => systemClock.monotonic(),
  });
  const watched = await watchWrites(shell);
  const changed = compare(before, await lookAt(roots));
  const same = `${before.size} entries elsewhere are what they were`;
  const outside = {
    group: 'whole',
    name: 'nothing outside',
    claim: 'nothing is written outside of the temporary homes and repositories',
    held: changed.length === 0 && watched.held,
    evidence: `${changed.length === 0 ? same : `changed: ${changed.join(', ')}`}; ${watched.evidence}`,
    ms: Math.round(systemClock.monotonic() - began),
  } as const;
  told(outside);
  const whole = { seed, held: proved.held && outside.held, lines: [...proved.lines, outside] };
  await writeDurable(join(directory, 'proof.json'), `${JSON.stringify({ v: 1, ...whole }, null, 2)}\n`, 0o644);
  await writeDurable(join(directory, 'proof.md'), renderProof(whole), 0o644);
  if (terminal.json) await terminal.document(whole);
  else {
    const held = whole.lines.filter((line) => line.held).length;
    terminal.message(
      `${held} of ${whole.lines.length} claims held in ${Math.round(outside.ms / 1000)} s; seed ${seed}`,
    );
  }
  return whole.held ? 0 : 1;
}
