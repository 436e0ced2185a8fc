/** Most names one answer tells, and the longest of them: a client is told of a slip, not sent its request back. */
const MAX_NAMES = 20;
const MAX_NAME_CHARS = 64;

/** Returns the names of fields that are not `known`, as `prefix` + name, sorted. */
export function listIgnored(body: object, known: readonly string[], prefix = ''): string[] {
  const names = Object.keys(body).filter((name) => !known.includes(name));
  return names
    .toSorted()
    .slice(0, MAX_NAMES)
    .map((name) => prefix + name.slice(0, MAX_NAME_CHARS).toWellFormed());
}
