/** Asking for the addresses of a name. The system's resolver blocks a thread of a small pool that files need, too. */
import { lookup as systemLookup, type LookupAddress } from 'node:dns';

/** Names asked for at once, out of the four threads of the pool. */
const AT_ONCE = 2;

export type Lookup = (hostname: string) => Promise<LookupAddress[]>;

/** Returns all addresses of a name by the system's resolver. Rejects with its error. */
const ask: Lookup = (hostname) =>
  new Promise((resolve, reject) => {
    systemLookup(hostname, { all: true, order: 'verbatim' }, (error, found) =>
      error ? reject(error) : resolve(found),
    );
  });

/** Returns a lookup that asks for few names at once, and for one name once at a time. */
export function createLookup(resolver: Lookup = ask): Lookup {
  const asked = new Map<string, Promise<LookupAddress[]>>();
  const waiting: (() => void)[] = [];
  let running = 0;
  const run = async (hostname: string): Promise<LookupAddress[]> => {
    if (running >= AT_ONCE) await new Promise<void>((resolve) => waiting.push(resolve));
    else running += 1;
    try {
      return await resolver(hostname);
    } finally {
      const next = waiting.shift();
      if (next === undefined) running -= 1;
      else next();
    }
  };
  return (hostname) => {
    const known = asked.get(hostname);
    if (known !== undefined) return known;
    const answer = run(hostname).finally(() => asked.delete(hostname));
    asked.set(hostname, answer);
    return answer;
  };
}
