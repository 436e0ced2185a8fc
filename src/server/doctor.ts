import { readFileSync } from 'node:fs';
import type { DoctorCheck } from '../api/services.ts';
import type { AttemptContext } from '../attempts/context.ts';
import { readLaunchEnvironment } from '../keeper/environment.ts';
import { defaultKeeperCommand } from '../keeper/launch.ts';
import { detectSystemd } from '../keeper/systemd.ts';
import { messageOf } from '../kernel/result.ts';
import { formatSize } from '../kernel/size.ts';
import type { Home } from '../lifecycle/home.ts';
import type { Admission } from '../queue/admission.ts';
import { describeDisk, FREE_DISK_HINT } from '../queue/disk-level.ts';
import type { OrphanKeeper } from '../recovery/orphan-keeper.ts';
import type { StoreCheck } from '../store/store.ts';
import { describeFileSystem } from '../workspace/file-system.ts';
import { runChild } from '../workspace/run-child.ts';
import { gitVersion } from '../workspace/safe-git.ts';
import { checkHomeFiles } from './check-home-files.ts';
import { checkRepositories } from './check-repositories.ts';
import type { RetentionState } from '../recovery/retention/retention-keeper.ts';
import { describeRecord } from '../recovery/scrub-kinds.ts';
import { checkRetention } from './check-retention.ts';
import { checkRuns } from './check-runs.ts';
import { checkTrouble } from './check-trouble.ts';
import { attemptChecks, describeDamaged, ok, warn, type Looker } from './doctor-check.ts';
import { findProgram } from './find-program.ts';

const VERSION_TIMEOUT_MS = 15_000;

/** Looks at everything a job depends on. Reads only; a check that cannot be carried out is a failed check. */
export async function runDoctor(
  ctx: AttemptContext,
  options: {
    deep: boolean;
    admission: Admission;
    orphans: OrphanKeeper;
    retention: RetentionState;
    /** What the start could not make available, each with its reason. */
    degraded: readonly string[];
  },
): Promise<DoctorCheck[]> {
  return [
    checkNode(),
    await attemptCheck('git', checkGit),
    await attemptCheck('home', () => checkHome(ctx)),
    await attemptCheck('disk', () => checkDisk(options.admission)),
    await attemptCheck('keeper', async () => ok('keeper', defaultKeeperCommand().at(-1) ?? '')),
    checkSupervision(),
    checkUser(),
    ...(await attemptChecks('store', () => checkStore(ctx, options.deep))),
    ...(options.deep ? await attemptChecks('home files', () => checkHomeFiles(ctx.home, 'server')) : []),
    ...(options.deep ? await attemptChecks('runs', () => checkRuns(ctx, 'server')) : []),
    ...(options.deep ? await attemptChecks('git objects', () => checkRepositories(ctx, 'server')) : []),
    ...(await checkTrouble(ctx.store, options.degraded)),
    checkRetention(options.retention),
    await attemptCheck('resources', () => checkResources(ctx)),
    await attemptCheck('orphans', () => checkOrphans(options.orphans)),
    ...(await Promise.all(ctx.agents.names().map((name) => checkAgent(ctx, name)))),
  ];
}

async function attemptCheck(name: string, check: () => Promise<DoctorCheck>): Promise<DoctorCheck> {
  try {
    return await check();
  } catch (error) {
    return { name, ok: false, level: 'fail', detail: messageOf(error), hint: null };
  }
}

function checkNode(): DoctorCheck {
  return ok('node', process.version);
}

async function checkGit(): Promise<DoctorCheck> {
  return ok('git', await gitVersion());
}

async function checkHome(ctx: AttemptContext): Promise<DoctorCheck> {
  const disk = await describeFileSystem(ctx.home.root);
  const detail = `${ctx.home.root} on ${disk.type}, workspaces by ${disk.reflink ? 'reflink' : 'clone'}`;
  if (disk.network) return { name: 'home', ok: false, level: 'fail', detail, hint: 'Move the home to a local disk.' };
  return ok('home', detail);
}

async function checkDisk(admission: Admission): Promise<DoctorCheck> {
  const state = await admission.look();
  if (state === null) throw new Error('the free space of the disk cannot be told');
  const why = describeDisk(state);
  if (why !== null) return warn('disk', why, FREE_DISK_HINT);
  const stop = state.stopBytes === null ? '' : `, running work is stopped below ${formatSize(state.stopBytes)}`;
  return ok(
    'disk',
    `${formatSize(state.freeBytes)} free; new work waits below ${formatSize(state.neededBytes)}${stop}`,
  );
}

function checkSupervision(): DoctorCheck {
  const manager = detectSystemd(readLaunchEnvironment(), readFileSync('/proc/self/cgroup', 'latin1'));
  const how = manager === 'none' ? 'in sessions of their own' : `in transient units of the ${manager} systemd`;
  return ok('supervision', `keepers run ${how}; left-over processes are found by their token (level token)`);
}

function checkUser(): DoctorCheck {
  if (process.getuid?.() !== 0) return ok('user', `uid ${process.getuid?.() ?? 'unknown'}`);
  return warn('user', 'the server and its agents run as root', 'Run holdfast as a user of its own.');
}

async function checkStore(ctx: AttemptContext, deep: boolean): Promise<DoctorCheck[]> {
  const found = deep ? await ctx.store.checkDeep() : await ctx.store.checkLive();
  return describeStoreCheck(found, { home: ctx.home, looker: 'server', deep });
}

/** Returns what a check of the store found: a finding for each damaged record, or that all is well. */
export function describeStoreCheck(
  found: StoreCheck,
  { home, looker, deep = true }: { home: Home; looker: Looker; deep?: boolean },
): DoctorCheck[] {
  const witness = found.witness === null ? [] : [{ kind: 'witness', id: 'holdfast.witness', why: found.witness }];
  const damaged = [...witness, ...found.corrupt];
  if (damaged.length === 0)
    return [ok('store', deep ? `all ${found.checked} records checked` : `${found.checked} live records checked`)];
  return damaged.map((one) => describeDamaged(describeRecord(one, home), looker));
}

async function checkOrphans(orphans: OrphanKeeper): Promise<DoctorCheck> {
  const { total, ours } = await orphans.list(1);
  if (total === 0) return ok('orphans', 'everything found belongs to something');
  const detail = `${total} found that belong to nothing, ${ours} of them provably ours`;
  return warn('orphans', detail, 'See `holdfast doctor --fix`: it says what it would do and does nothing yet.');
}

async function checkResources(ctx: AttemptContext): Promise<DoctorCheck> {
  const { registered, removing, failed } = await ctx.store.countResources();
  const detail = `${registered} registered, ${removing} being removed, ${failed} could not be removed`;
  return failed === 0
    ? ok('resources', detail)
    : warn('resources', detail, 'See `holdfast resource list`; `holdfast resource remove ID` tries again.');
}

async function checkAgent(ctx: AttemptContext, name: string): Promise<DoctorCheck> {
  const label = `agent ${name}`;
  const argv = ctx.agents.get(name).versionCommand(ctx.agents.settings(name));
  if (argv === null) return ok(label, 'built in');
  const program = findProgram(argv[0] ?? '');
  if (program === null) {
    return warn(
      label,
      `"${argv[0] ?? ''}" is not in PATH`,
      `Install it, or set agents.${name}.command in the configuration.`,
    );
  }
  return attemptCheck(label, async () => {
    const result = await runChild({
      argv: [program, ...argv.slice(1)],
      cwd: ctx.home.root,
      env: { PATH: readLaunchEnvironment().path, HOME: ctx.home.root, TERM: 'dumb' },
      timeoutMs: VERSION_TIMEOUT_MS,
      maxBytes: 4096,
    });
    const version = result.stdout.toString().trim().split('\n')[0] ?? '';
    return result.code === 0
      ? ok(label, `${program} ${version}`)
      : warn(label, `${program} --version failed`, 'Try it by hand.');
  });
}
