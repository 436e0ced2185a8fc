/** The parts of the room, wired: what the composition root asks for. */
import type { Clock } from '../kernel/clock.ts';
import { isError } from '../kernel/errors.ts';
import type { Log } from '../kernel/log.ts';
import type { Delivery } from '../lifecycle/delivery.ts';
import type { Store } from '../store/store.ts';
import { parseAllowlist } from './allowlist.ts';
import { createGuard } from './guard.ts';
import { createLookup } from './lookup.ts';
import { createOutbox, type Outbox } from './outbox.ts';
import { createSecretRotation } from './rotate-secret.ts';
import type { CallbackSecrets, SecretKeeper } from './secrets.ts';
import { createSender } from './send.ts';
import { signMessage } from './sign.ts';

export interface CallbackSettings {
  /** Hosts, host:port, addresses and blocks allowed beside the public internet. */
  allow: readonly string[];
  /** URLs told of every finished recovery. */
  server: readonly string[];
  /** Longest time of one try. */
  timeoutMs: number;
  retryWaitsMs: readonly number[];
  concurrency: number;
  perHost: number;
}

export interface Callbacks {
  outbox: Outbox;
  /** Returns what is wrong with the secret messages are signed with, or null; the first call makes one. */
  checkSecret(): string | null;
  /** Throws `callback-refused` for a URL nothing may be sent to. */
  accept(url: string): Promise<void>;
  /** Makes a new secret for an operator and returns what is valid from now on. */
  rotateSecret(actor: string): Promise<CallbackSecrets>;
}

/** Returns the callbacks of one server, nothing started. */
export function createCallbacks(input: {
  store: Store;
  clock: Clock;
  log: Log;
  boot: string;
  version: string;
  secrets: SecretKeeper;
  settings: CallbackSettings;
}): Callbacks {
  const { store, clock, log, boot, secrets, settings } = input;
  const guard = createGuard({ allow: parseAllowlist(settings.allow), lookup: createLookup(), clock });
  const sender = createSender({ guard, timeoutMs: settings.timeoutMs });
  const headersOf = (delivery: Delivery): Record<string, string> => {
    const timestampSeconds = Math.floor(clock.now() / 1000);
    const { current, previous } = secrets.read();
    const keys = [current, ...previous.map(({ secret }) => secret)];
    return {
      'content-type': 'application/json',
      'user-agent': `holdfast/${input.version}`,
      'webhook-id': delivery.id,
      'webhook-timestamp': String(timestampSeconds),
      'webhook-signature': signMessage({ id: delivery.id, timestampSeconds, body: delivery.body }, keys),
    };
  };
  const outbox = createOutbox({
    store,
    clock,
    log,
    boot,
    concurrency: settings.concurrency,
    perHost: settings.perHost,
    waitsMs: settings.retryWaitsMs,
    send: async (delivery, signal) => {
      const { url, body } = delivery;
      try {
        return await sender.send({ url, headers: headersOf(delivery), body }, signal);
      } catch (error) {
        // Nothing is sent unsigned: a secret that cannot be read is waited for like a receiver that is away.
        if (isError(error)) return { kind: 'error', message: error.message };
        throw error;
      }
    },
  });
  const rotation = createSecretRotation({ store, secrets, log });
  const stop = async (): Promise<void> => {
    await outbox.stop();
    sender.close();
  };
  const recover: Outbox['recover'] = async () => {
    const counts = await outbox.recover();
    // Of a damaged one nobody can tell whether it is the one that was wished for; it is told apart from this.
    if (findDamage(secrets) === null) await rotation.settle();
    return counts;
  };
  return {
    outbox: { start: () => outbox.start(), recover, stop },
    checkSecret: () => findDamage(secrets),
    accept: (url) => guard.accept(url),
    rotateSecret: (actor) => rotation.rotate(actor),
  };
}

function findDamage(secrets: SecretKeeper): string | null {
  try {
    secrets.read();
    return null;
  } catch (error) {
    if (isError(error, 'home-unusable')) return error.detail;
    throw error;
  }
}
