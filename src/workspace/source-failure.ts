import { fail, isError, type HoldfastError } from '../kernel/errors.ts';

/** What git, ssh and curl say of a source that is not there, or not for us: trying again gives the same answer. */
const GONE =
  /repository '.*' not found|repository not found|does not appear to be a git repository|does not exist|error: 40[134]|not found in upstream|authentication failed|could not read (username|password)|permission denied|access denied|host key verification failed|no such (file|device)|not a git repository|certificate/i;

/** What they say of a network or server that is down: later it may be there again. */
const SILENT =
  /could not resolve|couldn't resolve|name or service not known|temporary failure|connection (refused|reset|timed out|closed)|failed to connect|couldn't connect|operation timed out|network is unreachable|no route to host|early eof|unexpected disconnect|hung up unexpectedly|http 5\d\d|error: 5\d\d|rpc failed|ssl_error|gnutls|kex_exchange|broken pipe/i;

/** Returns the line in which git, ssh or curl tells of a network or a server that may answer later; null where none does. */
export function findSilent(text: string): string | null {
  return text.split('\n').find((line) => SILENT.test(line)) ?? null;
}

/**
 * Returns what a failed fetch says about its source: `source-unreachable` when somebody has to act first (deleted, moved,
 * no access), `source-silent` when it may answer later (network down, nobody answers in time); null when it is about
 * something else, like a full disk of our own.
 */
export function sourceFailure(error: unknown, source: string): HoldfastError | null {
  if (isError(error, 'git-timeout')) return silent(source, error);
  if (isError(error, 'not-a-repository') || isError(error, 'source-refused')) return unreachable(source, error);
  if (!isError(error, 'git-failed')) return null;
  // Addresses first: ssh says `Could not read from remote repository` of both.
  if (SILENT.test(error.detail)) return silent(source, error);
  return GONE.test(error.detail) ? unreachable(source, error) : null;
}

function unreachable(source: string, cause: HoldfastError): HoldfastError {
  return fail('source-unreachable', `${source} is gone, was moved, or may not be read (${lastLine(cause.detail)})`, {
    cause,
  });
}

function silent(source: string, cause: HoldfastError): HoldfastError {
  return fail('source-silent', `${source} does not answer (${findSilent(cause.detail) ?? lastLine(cause.detail)})`, {
    cause,
  });
}

function lastLine(text: string): string {
  return text.split('\n').findLast((line) => line.trim() !== '') ?? text;
}
