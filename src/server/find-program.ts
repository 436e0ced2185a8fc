import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { readLaunchEnvironment } from '../keeper/environment.ts';

/** Returns the absolute path of a program as an agent would find it, or null when it is not there or not executable. */
export function findProgram(program: string): string | null {
  if (program.includes('/')) return isExecutable(program) ? program : null;
  for (const directory of readLaunchEnvironment().path.split(delimiter)) {
    const path = join(directory, program);
    if (directory !== '' && isExecutable(path)) return path;
  }
  return null;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
