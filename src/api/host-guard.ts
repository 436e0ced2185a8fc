/**
 * Keeps web pages out: a page in the operator's browser can reach this port, but it cannot choose the Host header of a
 * name it does not own, and it cannot hide where it comes from. Answers never carry a CORS header.
 */

/** Names of this machine; any port. */
const LOOPBACK = ['127.0.0.1', 'localhost', '[::1]'];

/** What a browser says about a request; absent is null. */
export interface RequestOrigin {
  host: string | null;
  origin: string | null;
  fetchSite: string | null;
}

/**
 * Returns why the request is refused, or null. `allowed` are further Host values: a name fits with any port, a name
 * with a port only with that one.
 */
export function refuseOrigin(request: RequestOrigin, allowed: readonly string[]): string | null {
  const host = request.host?.toLowerCase() ?? '';
  const name = /^(\[[0-9a-f:.]+\]|[^:[\]]+)(?::\d{1,5})?$/.exec(host)?.[1];
  if (name === undefined) return 'the Host header is missing or not a host';
  const hosts = allowed.map((entry) => entry.toLowerCase());
  if (!LOOPBACK.includes(name) && !hosts.includes(name) && !hosts.includes(host)) {
    return `the host ${name} is not an allowed one`;
  }
  if (request.origin !== null && !isSameOrigin(request.origin, host)) return 'the request comes from another origin';
  if (request.fetchSite !== null && !['same-origin', 'none'].includes(request.fetchSite)) {
    return 'the request comes from another site';
  }
  return null;
}

function isSameOrigin(origin: string, host: string): boolean {
  return origin === `http://${host}` || origin === `https://${host}`;
}
