/** What the operator allows beside the public internet: `host`, `host:port`, an address, or a CIDR block. */
import { BlockList, isIPv4, isIPv6 } from 'node:net';
import { fail } from '../kernel/errors.ts';
import { literalOf } from './addresses.ts';

export interface Allowlist {
  /** Whether the operator vouches for this host and port, whatever it resolves to. */
  allowsHost(url: URL): boolean;
  /** Whether an address lies in an allowed block. */
  allowsAddress(address: string): boolean;
}

/** Returns the name of a URL's host in lower case, without the dot that may end it. */
export function hostnameOf(url: URL): string {
  return url.hostname.replace(/\.$/, '');
}

/** Port of a URL, also where it goes without saying. */
function portOf(url: URL): string {
  return url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port;
}

/** Reads the entries of `callbacks.allow`. Throws `bad-config` for one that is none of the four forms. */
export function parseAllowlist(entries: readonly string[]): Allowlist {
  const hosts = new Set<string>();
  const blocks = new BlockList();
  for (const entry of entries) addEntry(entry, hosts, blocks);
  return {
    allowsHost: (url) => hosts.has(hostnameOf(url)) || hosts.has(`${hostnameOf(url)}:${portOf(url)}`),
    allowsAddress: (address) =>
      isIPv4(address) ? blocks.check(address, 'ipv4') : isIPv6(address) && blocks.check(address, 'ipv6'),
  };
}

function addEntry(entry: string, hosts: Set<string>, blocks: BlockList): void {
  const block = /^([0-9a-fA-F.:]+)\/(\d{1,3})$/.exec(entry);
  const [, net = '', prefix = ''] = block ?? [];
  if (block !== null && isIPv4(net) && Number(prefix) <= 32) return blocks.addSubnet(net, Number(prefix), 'ipv4');
  if (block !== null && isIPv6(net) && Number(prefix) <= 128) return blocks.addSubnet(net, Number(prefix), 'ipv6');
  if (isIPv4(entry)) return blocks.addAddress(entry, 'ipv4');
  if (isIPv6(entry)) return blocks.addAddress(entry, 'ipv6');
  const parts = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?$/.exec(entry);
  const [, host = '', port] = parts ?? [];
  const url = parts !== null && URL.canParse(`http://${host}/`) ? new URL(`http://${host}/`) : null;
  if (url === null || (port !== undefined && Number(port) > 65_535)) {
    throw fail('bad-config', `callbacks.allow: "${entry}" is no host, host:port, address or CIDR block`);
  }
  const literal = literalOf(url.hostname);
  if (port !== undefined) hosts.add(`${hostnameOf(url)}:${Number(port)}`);
  else if (literal !== null) blocks.addAddress(literal, isIPv4(literal) ? 'ipv4' : 'ipv6');
  else hosts.add(hostnameOf(url));
}
