import type { Command } from 'commander';
import type { DoctorView } from '../../api/contract.ts';
import { ERRORS, isError } from '../../kernel/errors.ts';
import type { Runtime } from '../command.ts';
import { checkLocally } from '../local-checks.ts';
import { cleanLine } from '../sanitise.ts';
import type { Context } from '../shell.ts';
import type { Colours } from '../terminal.ts';

/** Long enough to replay the journal of a large home. */
const DEEP_MS = 30 * 60_000;

/** Adds `doctor`: checks everything a job depends on. Exit code 1 when a check failed, 6 when no server answers. */
export function registerDoctor(program: Command, runtime: Runtime): void {
  const command = program
    .command('doctor')
    .summary('check the installation')
    .description('Check everything a job depends on. Changes nothing; works without a server, as far as that goes.')
    .option('--deep', 'also replay the whole journal and compare every record');
  runtime.handle<{ deep?: boolean }>(command, async (call) => {
    const { terminal, options } = call;
    const { view, exit } = await examine(call, options.deep === true);
    if (terminal.json) await terminal.document(view);
    else await terminal.data(render(view, terminal.colours));
    return exit;
  });
}

async function examine(context: Context, deep: boolean): Promise<{ view: DoctorView; exit: number }> {
  const { client } = context;
  try {
    const query = deep ? { deep: true } : {};
    const view = await client.call<DoctorView>({ path: '/v1/doctor', query, timeoutMs: deep ? DEEP_MS : 120_000 });
    const { url } = await client.address();
    view.checks.unshift({ name: 'server', ok: true, level: 'ok', detail: `answers at ${url}`, hint: null });
    return { view, exit: view.ok ? 0 : 1 };
  } catch (error) {
    if (!isError(error, 'server-unreachable')) throw error;
    const { exit } = ERRORS['server-unreachable'];
    const checks = await checkLocally(context);
    checks.unshift({ name: 'server', ok: false, level: 'fail', detail: error.detail, hint: error.hint });
    return { view: { ok: false, checks }, exit };
  }
}

function render(view: DoctorView, colours: Colours): string {
  const signs = { ok: colours.green('✓'), warn: colours.yellow('!'), fail: colours.red('✗') };
  const width = Math.max(...view.checks.map((check) => check.name.length));
  const lines = view.checks.map((check) => {
    const line = `${signs[check.level]} ${colours.bold(cleanLine(check.name).padEnd(width))}  ${cleanLine(check.detail)}\n`;
    return check.hint === null
      ? line
      : `${line}  ${' '.repeat(width)}  ${colours.cyan('→')} ${cleanLine(check.hint)}\n`;
  });
  return lines.join('');
}
