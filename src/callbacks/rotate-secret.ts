/**
 * A new secret on the word of an operator. Intent, act, record: the journal names the secret to come by its hash before the
 * file is replaced, so a crash leaves no secret in use that nobody answers for; what the file holds then says how it ended.
 */
import { failpoint } from '../kernel/failpoints.ts';
import { sha256 } from '../kernel/hash.ts';
import { createKeyedMutex } from '../kernel/keyed-mutex.ts';
import type { Log } from '../kernel/log.ts';
import type { Store } from '../store/store.ts';
import type { CallbackSecrets, SecretKeeper } from './secrets.ts';

export interface SecretRotation {
  /** Makes a new secret and returns what is valid from now on; one caller at a time. */
  rotate(actor: string): Promise<CallbackSecrets>;
  /** Ends what a crash cut off, by what the file holds. Throws `home-unusable` when that cannot be told. */
  settle(): Promise<void>;
}

/** Returns what rotates the secret of callbacks of one server. */
export function createSecretRotation({
  store,
  secrets,
  log,
}: {
  store: Store;
  secrets: SecretKeeper;
  log: Log;
}): SecretRotation {
  const turns = createKeyedMutex();

  const settle = async (): Promise<void> => {
    const open = await store.findOpenRotation();
    if (open === null) return;
    const isDone = sha256(secrets.reload().current) === open.secretSha256;
    await store.endRotation({ id: open.id, transition: isDone ? 'finish' : 'fail' });
    log.warn(`a rotation of the secret of callbacks was cut off: it ${isDone ? 'had' : 'had not'} happened`, {
      rotation: open.id,
      principal: open.actor,
    });
  };

  const rotateNow = async (actor: string): Promise<CallbackSecrets> => {
    await settle();
    // A secret that cannot be read is told before anything is intended.
    secrets.read();
    const secret = secrets.make();
    const { id } = await store.intendRotation({ secretSha256: sha256(secret), actor });
    failpoint('callbacks.after-rotation-intent');
    try {
      secrets.replace(secret);
    } catch (error) {
      // The failure says nothing of what the file holds now.
      await settle();
      throw error;
    }
    failpoint('callbacks.after-rotation');
    await store.endRotation({ id, transition: 'finish' });
    failpoint('callbacks.after-rotation-record');
    log.info('the secret of callbacks was rotated', { rotation: id, principal: actor });
    return secrets.read();
  };

  return {
    rotate: (actor) => turns.run('secret', () => rotateNow(actor)),
    settle: () => turns.run('secret', settle),
  };
}
