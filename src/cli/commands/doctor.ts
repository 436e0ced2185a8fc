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

/** Something is damaged: a person has to look at it. */
const NEEDS_PERSON = 8;

/**
 * Adds `doctor`: checks everything a job depends on. Exit code 1 when a check failed, 6 when no server answers, and 8 when
 * something is damaged; with --deep a home without a server is checked directly, and only what is found counts.
 */
export function registerDoctor(program: Command, runtime: Runtime): void {
  const command = program
    .command('doctor')
    .summary('check the installation')
    .description('Check everything a job depends on. Changes nothing; works without a server, as far as that goes.')
    .option('--deep', 'also check every record, file and git object; without a server, in the home itself')
    .option('--fix', 'say what would be done about orphans; nothing is done yet')
    .option('--only <id...>', 'with --fix: these orphans only; with --yes as well, act on them');
  runtime.handle<DoctorOptions>(command, async (call) => {
    const { terminal, options } = call;
    if (options.fix === true || options.only !== undefined) return fixOrphans(call, options);
    const { view, exit, isServed } = await examine(call, options.deep === true);
    const orphans = isServed ? await listOrphans(call) : null;
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

interface Examination {
  view: DoctorView;
  exit: number;
  /** Whether a server answered. */
  isServed: boolean;
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

async function examine(context: Context, deep: boolean): Promise<Examination> {
  const { client } = context;
  try {
    const query = deep ? { deep: true } : {};
    const view = await client.call<DoctorView>({ path: '/v1/doctor', query, timeoutMs: deep ? DEEP_MS : 120_000 });
    const { url } = await client.address();
    view.checks.unshift({ name: 'server', ok: true, level: 'ok', detail: `answers at ${url}`, hint: null });
    return { view, exit: exitOf(view), isServed: true };
  } catch (error) {
    if (!isError(error, 'server-unreachable')) throw error;
    if (deep && !context.remote) return examineClosed(context);
    const { exit } = ERRORS['server-unreachable'];
    const checks = await checkLocally(context);
    checks.unshift({ name: 'server', ok: false, level: 'fail', detail: error.detail, hint: error.hint });
    return { view: { ok: false, checks }, exit, isServed: false };
  }
}

/** The same without a server. Throws `home-held` where one has the home and does not answer. */
async function examineClosed(context: Context): Promise<Examination> {
  const { checkClosedHome } = await import('../../server/check-closed-home.ts');
  const found = await checkClosedHome(context.home);
  const detail = 'none is alive: the home was looked at directly';
  const server = { name: 'server', ok: true, level: 'ok' as const, detail, hint: null };
  const checks = [server, ...(await checkLocally(context)), ...found];
  const view = { ok: checks.every((check) => check.level !== 'fail'), checks };
  return { view, exit: exitOf(view), isServed: false };
}

function exitOf(view: DoctorView): number {
  if (view.checks.some((check) => check.finding !== undefined)) return NEEDS_PERSON;
  return view.ok ? 0 : 1;
}

function render(view: DoctorView, colours: Colours): string {
  const signs = { ok: colours.green('✓'), warn: colours.yellow('!'), fail: colours.red('✗') };
  const width = Math.max(...view.checks.map((check) => check.name.length));
  const lines = view.checks.map((check) => {
    const line = `${signs[check.level]} ${colours.bold(cleanLine(check.name).padEnd(width))}  ${cleanLine(check.detail)}\n`;
    const more = [
      ...tellFinding(check, colours),
      ...(check.hint === null ? [] : [`${colours.cyan('→')} ${cleanLine(check.hint)}`]),
    ];
    return line + more.map((text) => `  ${' '.repeat(width)}  ${text}\n`).join('');
  });
  return lines.join('');
}

/** What shows that something is damaged, and what to type next. */
function tellFinding({ finding }: DoctorView['checks'][number], colours: Colours): string[] {
  if (finding === undefined) return [];
  const next = finding.command === null ? '' : `: ${colours.bold(cleanLine(finding.command))}`;
  return [colours.dim(cleanLine(finding.evidence)), `${colours.cyan('→')} ${finding.nextSafeAction}${next}`];
}
