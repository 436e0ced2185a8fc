import { delay } from '../kernel/backoff.ts';
import { fetchPinned } from '../kernel/pinned-fetch.ts';
import type { ServerAddress } from './address.ts';

/** An answer that takes longer than this makes the server's health doubtful, milliseconds. */
const PATIENCE_MS = 3000;

/**
 * Watches whether a server is alive while an answer of it is waited for: some answers take long, and a server
 * that hangs takes calls like any other. The signal aborts with a `TimeoutError` once /healthz does not answer either;
 * `stop` ends the watch.
 */
export function watchHealth(
  server: Pick<ServerAddress, 'url' | 'certificate'>,
  patienceMs = PATIENCE_MS,
): { signal: AbortSignal; stop: () => void } {
  const hung = new AbortController();
  const stopped = new AbortController();
  void watch({ server, patienceMs, stopped: stopped.signal, hung });
  return { signal: hung.signal, stop: () => stopped.abort() };
}

async function watch(what: {
  server: Pick<ServerAddress, 'url' | 'certificate'>;
  patienceMs: number;
  stopped: AbortSignal;
  hung: AbortController;
}): Promise<void> {
  const { server, patienceMs, stopped, hung } = what;
  while (!stopped.aborted) {
    try {
      await delay(patienceMs, stopped);
      const signal = AbortSignal.any([stopped, AbortSignal.timeout(patienceMs)]);
      const answer = await fetchPinned(new URL(`${server.url}/healthz`), { signal }, server.certificate);
      await answer.body?.cancel();
    } catch {
      if (stopped.aborted) return;
      hung.abort(new DOMException(`no answer within ${(2 * patienceMs) / 1000} s`, 'TimeoutError'));
      return;
    }
  }
}
