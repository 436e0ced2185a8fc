/** What the API asks of callbacks, in its smallest form: one name is refused, the secret is a constant. */
import { fail } from '../kernel/errors.ts';
import type { Services } from './services.ts';

export const callbackServices: Pick<Services, 'acceptCallback' | 'callbackSecret' | 'rotateCallbackSecret'> = {
  async acceptCallback(url) {
    if (new URL(url).hostname === 'localhost') throw fail('callback-refused', url);
  },
  callbackSecret: () => ({ current: 'whsec_dGVzdA==', previous: [] }),
  rotateCallbackSecret: async () => ({ current: 'whsec_bmV3', previous: [{ secret: 'whsec_dGVzdA==', until: 1 }] }),
};
