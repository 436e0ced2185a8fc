/**
 * The server room is the composition root: the one place that builds every part and wires it to the others. Starting is
 * recovery, in the order of its phases; stopping only closes what is open, because the ordinary way to stop is a crash.
 */
import { resolve } from 'node:path';
import { systemClock } from '../kernel/clock.ts';
import { fail } from '../kernel/errors.ts';
import { armFailpoints, failpoint } from '../kernel/failpoints.ts';
import { messageOf } from '../kernel/result.ts';
import { homeLayout } from '../lifecycle/home.ts';
import type { PhaseReport } from '../lifecycle/report.ts';
import { finishReport } from '../recovery/boot.ts';
import { runPhases } from '../recovery/phases.ts';
import type { HomeLock } from '../store/sqlite/home-lock.ts';
import { settleOrphans } from './clean-leftovers.ts';
import { composeServer, type Parts } from './compose.ts';
import { readConfig } from './config.ts';
import { guardHome } from './home-guard.ts';
import { limitYoungHeap } from './limit-young-heap.ts';
import type { ListenAddress } from './listen.ts';
import { createLog } from './log.ts';
import { describeFiles } from './damaged-files.ts';
import { prepareHome } from './prepare-home.ts';
import {
  inspectServerFile,
  lastSignOfServer,
  readServerFile,
  removeServerFile,
  SERVER_TOUCH_MS,
  touchServerFile,
} from './server-file.ts';
import { openStartMarker, type StartMarker } from './start-marker.ts';
import { startPhases } from './start-phases.ts';
import { readTls, type TlsFiles } from './tls.ts';
import { readOrCreateToken } from './tokens.ts';

export interface ServeOptions {
  home: string;
  host: string;
  /** 0 takes any free one. */
  port: number;
  /** Take any free port when that one is taken, instead of failing. */
  anyPortIfTaken?: boolean;
  /** Null: `holdfast.config.json` in the home, if there is one. */
  configPath: string | null;
  takeover: boolean;
  /** Speak TLS on the port; null for plain HTTP. */
  tls: TlsFiles | null;
  log: 'pretty' | 'json';
  /** Value of HOLDFAST_FAILPOINTS, for this process and its keepers. */
  failpoints: string | undefined;
}

export interface RunningServer {
  url: string;
  /** Closes listeners and files and says so in the boot row; running agents are not touched. */
  close(): Promise<void>;
}

const LOOPBACK = new Set(['127.0.0.1', 'localhost', '::1']);

/** Starts a server on a home and returns once it accepts work. Throws `home-held`, `port-in-use`, `store-corrupt`, … */
export async function serve(options: ServeOptions): Promise<RunningServer> {
  armFailpoints(options.failpoints);
  limitYoungHeap();
  const clock = systemClock;
  const began = clock.monotonic();
  const log = createLog(options.log);
  const tls = options.tls === null ? null : await readTls(options.tls, { clock, log });
  const home = homeLayout(resolve(options.home));
  await prepareHome(home);
  const config = await readConfig(options.configPath ?? home.configFile, options.configPath !== null);
  if (!LOOPBACK.has(options.host) && config.http.allowedHosts.length === 0) {
    throw fail('unsafe-bind', `--host ${options.host} is not a loopback address and no allowed hosts are configured`);
  }
  const lock = await guardHome(home, { takeover: options.takeover, log });
  failpoint('recovery.after-guard');
  const guard: PhaseReport = { name: 'guard', ms: Math.round(clock.monotonic() - began), ok: true, retries: 0 };
  const lastSignAt = await lastSignOfServer(home.serverFile);
  const marker = await openStartMarker(home.startMarker);
  const secret = await readOrCreateToken(home.tokenFile);
  const serverFile = await inspectServerFile(home.serverFile);
  const parts = composeServer({
    home,
    config,
    log,
    token: secret.token,
    failpoints: options.failpoints,
  });
  parts.state.damaged.push(
    ...describeFiles([
      ['token-file', home.tokenFile, secret.damage],
      ['server-file', home.serverFile, serverFile],
      ['start-marker', home.startMarker, marker.damage],
    ]),
  );
  const close = closer(parts, lock);
  try {
    await recover(parts, { ...options, tls, lastSignAt, guard, began, marker });
  } catch (error) {
    await marker.note(messageOf(error));
    log.error(`the start failed in phase ${parts.state.phase}: ${messageOf(error)}`);
    await close({ clean: false });
    throw error;
  }
  await parts.admission.start();
  await parts.dispatcher.start();
  await parts.callbacks.outbox.start();
  await parts.retention.start();
  void settleOrphans(parts).catch((error: unknown) => {
    if (!parts.closing.signal.aborted) log.warn(`the look for orphans failed: ${messageOf(error)}`);
  });
  await parts.statistics.start();
  await parts.scrub.start();
  log.info(`ready at ${parts.state.url} after ${parts.state.report.recoveryMs} ms, home ${home.root}`);
  return { url: parts.state.url, close: () => close({ clean: true }) };
}

/** Runs the phases, keeps the report, and opens the gate of the API. */
async function recover(
  parts: Parts,
  options: ListenAddress & { lastSignAt: number | null; guard: PhaseReport; began: number; marker: StartMarker },
): Promise<void> {
  const { ctx, state } = parts;
  const { clock, log, store } = ctx;
  const { marker } = options;
  state.report.abortedStarts = marker.aborted;
  for (const one of marker.aborted) {
    log.warn(`start ${one.bootId} ended in phase ${one.phase}: ${one.error ?? 'it was killed'}`);
  }
  const done = await runPhases(startPhases(parts, options), {
    clock,
    log,
    onBegin: (name) => {
      state.phase = name;
      return marker.enter({ bootId: ctx.boot, phase: name, at: clock.now() });
    },
  });
  state.degraded = done.degraded.map((one) => one.resource);
  failpoint('recovery.before-report');
  state.report = await finishReport({
    store,
    clock,
    report: state.report,
    recoveryMs: Math.round(clock.monotonic() - options.began),
    phases: [options.guard, ...done.phases],
    callbacks: parts.config.callbacks.server,
    degraded: done.degraded.map((one) => `${one.resource}: ${one.why}`),
  });
  failpoint('recovery.after-report');
  const reattached = state.report.jobs.filter((job) => job.outcome === 'reattached').length;
  parts.metrics.observeRecovery(state.report.recoveryMs, reattached);
  await marker.remove();
  state.ready = true;
  state.phase = 'ready';
}

/** Returns what ends this server; a second call does nothing. Only a clean end says so in the boot row. */
function closer(parts: Parts, lock: HomeLock): (how: { clean: boolean }) => Promise<void> {
  const { ctx, state, closing } = parts;
  const { serverFile } = ctx.home;
  const touch = async (): Promise<void> => {
    const named = await readServerFile(serverFile);
    // Somebody else has the home: the store ends a process that it finds fenced, though it has nothing to write.
    if (state.ready && named !== null && named.bootId !== ctx.boot) return ctx.store.updateBoot(ctx.boot, {});
    await touchServerFile(serverFile, ctx.clock.now());
  };
  const timer = setInterval(() => void touch().catch(() => undefined), SERVER_TOUCH_MS);
  return async ({ clean }) => {
    if (closing.signal.aborted) return;
    closing.abort(new Error('the server is stopping'));
    clearInterval(timer);
    state.ready = false;
    state.phase = 'stopping';
    await state.http?.close();
    await parts.scrub.stop();
    await parts.retention.stop();
    await parts.dispatcher.stop();
    await parts.admission.stop();
    await parts.callbacks.outbox.stop();
    await parts.supervisor.stop();
    await parts.resources.stop();
    await parts.backups.stop();
    if (clean) {
      await ctx.store.updateBoot(ctx.boot, { stoppedAt: ctx.clock.now() });
      await removeServerFile(serverFile);
    }
    // Last of all, so that it holds what the others ended; and nothing depends on it.
    await parts.statistics.stop();
    await ctx.store.stop();
    lock.release();
  };
}
