import { Option, type Command } from 'commander';
import type { Call, Runtime } from '../command.ts';

/** Adds `demo`: a server is killed in the middle of real work, and every claim about it is measured. */
export function registerDemo(program: Command, runtime: Runtime): void {
  const command = program
    .command('demo')
    .summary('see a job survive the death of its server')
    .description(
      'Run a real process on a small git repository, kill its server with SIGKILL in the middle, start another, and measure\n' +
        'what was lost. Uses a temporary home and leaves nothing behind. Exit code 0 only if nothing was lost.',
    )
    .addOption(
      new Option('--agent <name>', 'what does the work; claude-code needs the command `claude` and its credentials')
        .choices(['exec', 'claude-code'])
        .default('exec'),
    );
  runtime.handle<{ agent: string }>(command, demo);
}

async function demo({ shell, terminal, options }: Call<{ agent: string }>): Promise<number> {
  const { createWorld } = await import('../demo/world.ts');
  const { configurationFor, playClaudeCode, playCommand } = await import('../demo/play.ts');
  const { isProof, perform } = await import('../demo/perform.ts');
  const { keepSilent, narrate, renderMeasurements } = await import('../demo/render.ts');
  const world = await createWorld(shell, configurationFor(options.agent, shell.env));
  try {
    const play = options.agent === 'claude-code' ? playClaudeCode() : playCommand(world.witness);
    const audience = terminal.json ? keepSilent() : narrate(terminal, play.title);
    const measured = await perform({ world, play, audience, signal: shell.interrupted });
    const proved = isProof(measured);
    if (terminal.json) await terminal.document({ ok: proved, ...measured });
    else await terminal.data(renderMeasurements(measured, terminal.colours));
    return proved ? 0 : 1;
  } finally {
    await world.end();
  }
}
