/** The `callbacks` part of the configuration. */
import { z } from 'zod';
import { parseAllowlist } from '../callbacks/allowlist.ts';
import type { CallbackSettings } from '../callbacks/callbacks.ts';
import { parseTarget } from '../callbacks/guard.ts';
import { RETRY_WAITS_MS } from '../callbacks/judge-try.ts';
import { parseDuration } from '../kernel/duration.ts';
import { fail, isError } from '../kernel/errors.ts';
import { MAX_DELIVERY_WAIT_MS } from '../lifecycle/delivery.ts';

/** Longest time of one try, milliseconds (Standard Webhooks recommends 15 to 30 s). */
const TIMEOUT_MS = 15_000;
/** Tries under way at once: enough for hundreds of messages a second to a receiver that answers within 30 ms. */
const CONCURRENCY = 64;
const PER_HOST = 16;

const wait = z
  .union([z.int().positive(), z.string().transform((text) => parseDuration(text))])
  .refine((ms) => ms <= MAX_DELIVERY_WAIT_MS, `must be at most ${MAX_DELIVERY_WAIT_MS} ms`);

/** What the file may say of callbacks. */
export const callbackSchema = z.strictObject({
  allow: z.array(z.string().min(1).max(300)).max(1000).optional(),
  server: z.array(z.string().min(1)).max(20).optional(),
  timeoutMs: wait.optional(),
  retryWaitsMs: z.array(wait).max(10).optional(),
  concurrency: z.int().min(1).max(1000).optional(),
  perHost: z.int().min(1).max(1000).optional(),
});

/** Returns the settings with every default filled in. Throws `bad-config` for an entry or a URL that cannot be meant. */
export function fillCallbacks(given: z.infer<typeof callbackSchema> | undefined): CallbackSettings {
  const allow = given?.allow ?? [];
  parseAllowlist(allow);
  const server = given?.server ?? [];
  for (const url of server) {
    try {
      parseTarget(url);
    } catch (error) {
      throw isError(error) ? fail('bad-config', `callbacks.server: ${error.detail}`) : error;
    }
  }
  return {
    allow,
    server,
    timeoutMs: given?.timeoutMs ?? TIMEOUT_MS,
    retryWaitsMs: given?.retryWaitsMs ?? RETRY_WAITS_MS,
    concurrency: given?.concurrency ?? CONCURRENCY,
    perHost: given?.perHost ?? PER_HOST,
  };
}
