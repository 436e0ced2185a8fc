import { readFile } from 'node:fs/promises';
import { errnoOf } from '../kernel/result.ts';

/** One mounted file system, as this process sees it. */
export interface Mount {
  mountPoint: string;
  type: string;
  /** What is mounted: a device, `server:/export`, … */
  device: string;
}

/** Returns the mounted file systems, later ones over earlier ones; none where there is no /proc (not Linux). */
export async function listMounts(): Promise<Mount[]> {
  let text: string;
  try {
    text = await readFile('/proc/self/mountinfo', 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
  return parseMountInfo(text);
}

/** Parses the text of /proc/self/mountinfo (proc(5)); lines that do not fit are left out. */
export function parseMountInfo(text: string): Mount[] {
  return text.split('\n').flatMap((line) => {
    const [left = '', right] = line.split(' - ');
    const mountPoint = left.split(' ')[4];
    const [type, device] = right?.split(' ') ?? [];
    if (mountPoint === undefined || type === undefined || device === undefined) return [];
    return [{ mountPoint: unescape(mountPoint), type, device: unescape(device) }];
  });
}

/** Space, tab, newline and backslash are written as \ooo, by byte. */
function unescape(field: string): string {
  return field.replaceAll(/\\([0-7]{3})/g, (_whole, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
