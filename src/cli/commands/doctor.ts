import type { Command } from 'commander';
import type { DoctorView, OrphanListView, RepairView } from '../../api/contract.ts';
import { ERRORS, fail, isError } from '../../kernel/errors.ts';
import type { Runtime } from '../command.ts';
import { checkLocally } from '../local-checks.ts';
import { renderOrphans, renderRepair } from '../orphan-view.ts';
import { cleanLine } from '../sanitise.ts';
import type { Context } from '../shell.ts';
import type { Colours } from '../terminal.ts';

/** Long enough to replay the journal of a large home. */
const DEEP_MS = 30 * 60_000;
/** A look at a large home takes seconds, a repair may delete large trees. */
const LOOK_MS = 30 * 60_000;

/** Adds `doctor`: checks everything a job depends on. Exit code 1 when a check failed, 6 when no server answers. */
export function registerDoctor(program: Command, runtime: Runtime): void {
  const command = program
    .command('doctor')
    .summary('check the installation')
    .description('Check everything a job depends on. Changes nothing; works without a server, as far as that goes.')
    .option('--deep', 'also replay the whole journal and compare every record')
    .option('--fix', 'say what would be done about orphans; nothing is done yet')
    .option('--only <id...>', 'with --fix: these orphans only; with --yes as well, act on them');
  runtime.handle<DoctorOptions>(command, async (call) => {
    const { terminal, options } = call;
    if (options.fix === true || options.only !== undefined) return fixOrphans(call, options);
    const { view, exit } = await examine(call, options.deep === true);
    const orphans = exit === ERRORS['server-unreachable'].exit ? null : await listOrphans(call);
    if (terminal.json) await terminal.document({ ...view, orphans });
    else
      await terminal.data(
        render(view, terminal.colours) + (orphans === null ? '' : renderOrphans(orphans, terminal.colours)),
      );
    return exit;
  });
}

interface DoctorOptions {
  deep?: boolean;
  fix?: boolean;
  only?: string[];
  yes?: boolean;
}

function listOrphans({ client }: Context): Promise<OrphanListView> {
  return client.call<OrphanListView>({ path: '/v1/orphans', query: { limit: 1000 }, timeoutMs: LOOK_MS });
}

/** Without ids it is said what could be done; with ids and --yes it is done. Nothing is ever done to what was not named. */
async function fixOrphans(context: Context, options: DoctorOptions): Promise<number> {
  const { client, terminal } = context;
  const { only, yes = false } = options;
  if (options.fix !== true) throw fail('bad-usage', '--only needs --fix');
  if (yes && only === undefined) {
    throw fail('bad-usage', '--fix --yes acts on named orphans only', { hint: 'Name them: --only ID…' });
  }
  const ids = only ?? (await listOrphans(context)).items.map(({ id }) => id);
  if (ids.length === 0) {
    if (terminal.json) await terminal.document({ dryRun: true, items: [] });
    else terminal.message('nothing to repair');
    return 0;
  }
  const body = { ids, dryRun: !yes };
  const result = await client.call<RepairView>({
    method: 'POST',
    path: '/v1/orphans/repair',
    body,
    timeoutMs: LOOK_MS,
  });
  if (terminal.json) await terminal.document(result);
  else await terminal.data(renderRepair(result, terminal.colours));
  if (!yes && !terminal.json) {
    terminal.message('nothing was done; to act: holdfast doctor --fix --only ID… --yes');
  }
  return result.items.some(({ outcome }) => outcome === 'failed' || (yes && outcome === 'refused')) ? 1 : 0;
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
