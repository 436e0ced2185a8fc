import { fail } from '../kernel/errors.ts';

/** Longest address that is looked at. */
const MAX_LENGTH = 4096;
const HOST = /^(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])$/;
const USER = /^[A-Za-z0-9_][A-Za-z0-9._-]*$/;

function refuse(why: string): Error {
  return fail('source-refused', why);
}

/**
 * Returns whether `source` is an absolute path or the address of a repository on the network, without looking at
 * either. Throws `source-refused` for everything else: other transports (`ext::`, `file://`, `git://`, `http://`),
 * options in disguise, relative paths, control characters, credentials inside the address.
 */
export function classifySource(source: string): 'path' | 'url' {
  if (source === '' || source.length > MAX_LENGTH) throw refuse('it is empty or too long');
  // oxlint-disable-next-line no-control-regex -- control characters are exactly what is refused here
  if (/[\u0000-\u001f\u007f]/.test(source)) throw refuse('it contains control characters');
  if (source.startsWith('-')) throw refuse('it looks like an option');
  if (source.startsWith('/')) return 'path';
  if (/^[A-Za-z0-9+.-]*::/.test(source)) throw refuse('transport helpers (`name::…`) are not allowed');
  if (/^[A-Za-z][A-Za-z0-9+.-]*:\/\//.test(source)) checkUrl(source);
  else checkScpAddress(source);
  return 'url';
}

function checkUrl(source: string): void {
  if (!URL.canParse(source)) throw refuse('the URL cannot be read');
  const url = new URL(source);
  if (url.protocol !== 'https:' && url.protocol !== 'ssh:') throw refuse(`${url.protocol}// is not allowed`);
  if (!HOST.test(url.hostname)) throw refuse('its host name is not valid');
  if (/[\\\s]/.test(source)) throw refuse('it contains spaces or backslashes');
  if (url.search !== '' || url.hash !== '') throw refuse('a repository address has no ? or #');
  if (url.password !== '' || (url.protocol === 'https:' && url.username !== '')) {
    throw refuse('credentials do not belong into the address; use ~/.netrc or an ssh key');
  }
  if (url.username !== '' && !USER.test(url.username)) throw refuse('its user name is not valid');
  if (url.pathname === '' || url.pathname === '/') throw refuse('it names no repository');
}

/** `user@host:path`, the short form of ssh. */
function checkScpAddress(source: string): void {
  const match = /^(?:([^@/:]*)@)?(\[[^\]]*\]|[^@/:]*):(.+)$/.exec(source);
  if (match === null) throw refuse('it is neither an absolute path nor an https or ssh address');
  const [, user, host = '', path = ''] = match;
  if (user !== undefined && !USER.test(user)) throw refuse('its user name is not valid');
  if (!HOST.test(host)) throw refuse('its host name is not valid');
  if (path.startsWith('-') || path.startsWith(':') || /[\\\s]/.test(path)) throw refuse('its path is not valid');
}

/** Returns a name for the repository at `source`: its last part, in the characters a name may have. */
export function suggestName(source: string): string {
  const last = source.replace(/\/+$/, '').split(/[/:]/).at(-1) ?? '';
  const name = last
    .replace(/\.git$/, '')
    .replaceAll(/[^A-Za-z0-9._-]+/g, '-')
    .replace(/^[-.]+/, '')
    .slice(0, 64);
  return name === '' ? 'repository' : name;
}

/** Whether `name` can be a branch for git and cannot be mistaken for an option, a range or a revision expression. */
export function isBranchName(name: string): boolean {
  if (name === '' || name.length > 200 || name === 'HEAD' || name === '@') return false;
  // oxlint-disable-next-line no-control-regex -- git's own rule
  if (/[\u0000-\u0020\u007f~^:?*[\\]/.test(name)) return false;
  if (name.startsWith('-') || name.includes('..') || name.includes('@{') || name.endsWith('.')) return false;
  return name.split('/').every((part) => part !== '' && !part.startsWith('.') && !part.endsWith('.lock'));
}
