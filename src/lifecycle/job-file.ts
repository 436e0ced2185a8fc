/** A file sent for a job before it starts, as recorded: the bytes lie in staging under their hash. */
export interface JobFile {
  /** `<job id>/<name>`. */
  id: string;
  jobId: string;
  name: string;
  /** Of the content, hex. */
  sha256: string;
  /** Bytes. */
  size: number;
  /** It may take the place of a file of the repository with the same name. */
  overwrite: boolean;
  uploadedAt: number;
}

/** Limits on what may be sent for one job, in bytes. */
export interface UploadLimits {
  perFile: number;
  perJob: number;
}

/** Defaults: 100 MiB per file (issue of the uploads), ten such files per job. */
export const DEFAULT_UPLOAD_LIMITS: UploadLimits = { perFile: 100 * 2 ** 20, perJob: 1000 * 2 ** 20 };

/** Longest name of a file on Linux, bytes. */
const MAX_NAME_BYTES = 255;

/** Names that mean a device on Windows, whatever follows a dot: the repository may be checked out there. */
const DEVICE = /^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)\s*(\.|$)/i;

/**
 * Returns why `name` cannot name a file sent for a job, or null. It must be one plain name that means the same in every
 * tool that meets it: no path, nothing git or an option parser would take for its own, nothing that shows as something
 * else (S25).
 */
export function faultOfFileName(name: string): string | null {
  if (name === '') return 'is empty';
  if (name === '.' || name === '..') return 'is a directory';
  if (/[/\\]/.test(name)) return 'is a path; it must be one plain name';
  if (!name.isWellFormed()) return 'is not valid Unicode';
  if (Buffer.byteLength(name) > MAX_NAME_BYTES) return `has more than ${MAX_NAME_BYTES} bytes`;
  if (/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(name)) return 'contains control or invisible characters';
  if (name.startsWith('-')) return 'begins with a dash';
  if (/^(\.git|git~)/i.test(name)) return 'belongs to git';
  if (DEVICE.test(name)) return 'is the name of a device';
  return /[. ]$/.test(name) ? 'ends with a dot or a space' : null;
}
