import { delay } from '../kernel/backoff.ts';

/** An answer that takes longer than this makes the server's health doubtful, milliseconds. */
const PATIENCE_MS = 3000;

/**
 * Watches whether the server at `url` is alive while an answer of it is waited for: some answers take long, and a server
 * that hangs takes calls like any other. The signal aborts with a `TimeoutError` once /healthz does not answer either;
 * `stop` ends the watch.
 */
export function watchHealth(url: string, patienceMs = PATIENCE_MS): { signal: AbortSignal; stop: () => void } {
  const hung = new AbortController();
  const stopped = new AbortController();
  void watch({ url, patienceMs, stopped: stopped.signal, hung });
  return { signal: hung.signal, stop: () => stopped.abort() };
}

async function watch(what: {
  url: string;
  patienceMs: number;
  stopped: AbortSignal;
  hung: AbortController;
}): Promise<void> {
  const { url, patienceMs, stopped, hung } = what;
  while (!stopped.aborted) {
    try {
      await delay(patienceMs, stopped);
      const signal = AbortSignal.any([stopped, AbortSignal.timeout(patienceMs)]);
      const answer = await fetch(`${url}/healthz`, { signal, redirect: 'error' });
      await answer.body?.cancel();
    } catch {
      if (stopped.aborted) return;
      hung.abort(new DOMException(`no answer within ${(2 * patienceMs) / 1000} s`, 'TimeoutError'));
      return;
    }
  }
}
