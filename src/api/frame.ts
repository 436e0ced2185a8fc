import type { Farewell } from './open-stream.ts';

/** When a client comes back to a stream that was ended for it, milliseconds. */
const RETRY_MS = 500;

/** Returns one frame. `id` is where a client resumes that saw this frame last. */
export function formatFrame(frame: { id: string; event: string; data: unknown }): string {
  return `id: ${frame.id}\nevent: ${frame.event}\ndata: ${JSON.stringify(frame.data)}\n\n`;
}

/** Returns the last frame of a stream whose client is to come back, from `id`. */
export function formatBye(id: string, reason: Farewell): string {
  return `retry: ${RETRY_MS}\n${formatFrame({ id, event: 'bye', data: { reason } })}`;
}
