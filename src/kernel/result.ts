/** The code of a Node system error (`ENOENT`, …), or null for anything else. */
export function errnoOf(error: unknown): string | null {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code;
  return null;
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Whether an error says that this process or host is short of something for now: it proves nothing of what was asked. */
export function isShortage(error: unknown): boolean {
  return ['EMFILE', 'ENFILE', 'ENOMEM', 'ENOBUFS'].includes(errnoOf(error) ?? '');
}

/** Whether an error, or the git command behind it, says that the disk is full. */
export function isDiskFull(error: unknown): boolean {
  if (['ENOSPC', 'EDQUOT'].includes(errnoOf(error) ?? '')) return true;
  return /No space left on device|Disk quota exceeded/.test(messageOf(error));
}
