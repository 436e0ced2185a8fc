import { access, constants, stat } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import type { DoctorView } from '../api/contract.ts';
import { errnoOf, messageOf } from '../kernel/result.ts';
import { homeLayout } from '../lifecycle/home.ts';
import type { Context } from './shell.ts';

type Check = DoctorView['checks'][number];

const OLDEST_NODE = 24;

/** Checks what can be checked without a server: Node, git, and the home as this user sees it. */
export async function checkLocally(context: Context): Promise<Check[]> {
  const { home, shell } = context;
  return [checkNode(), await checkGit(shell.env['PATH'] ?? ''), await checkHome(home), await checkToken(home)];
}

function passed(name: string, detail: string): Check {
  return { name, ok: true, level: 'ok', detail, hint: null };
}

function failed(name: string, why: { detail: string; hint: string }): Check {
  return { name, ok: false, level: 'fail', ...why };
}

function checkNode(): Check {
  const isNew = Number.parseInt(process.versions.node, 10) >= OLDEST_NODE;
  return isNew
    ? passed('node', process.version)
    : failed('node', { detail: `${process.version} is too old`, hint: 'Install Node 24.' });
}

async function checkGit(path: string): Promise<Check> {
  for (const directory of path.split(delimiter).filter((entry) => entry !== '')) {
    try {
      await access(join(directory, 'git'), constants.X_OK);
      return passed('git', join(directory, 'git'));
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === 'ENOENT' || errno === 'EACCES' || errno === 'ENOTDIR') continue;
      return failed('git', { detail: messageOf(error), hint: 'Look at the directories of PATH.' });
    }
  }
  return failed('git', { detail: 'not found in PATH', hint: 'Install git.' });
}

/** A home that is not there yet is made at the first start, if the nearest directory above it can be written. */
async function checkHome(home: string): Promise<Check> {
  for (let folder = home; ; folder = dirname(folder)) {
    try {
      await access(folder, constants.W_OK | constants.X_OK);
      return passed('home', folder === home ? home : `${home} (made at the first start)`);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT' && folder !== dirname(folder)) continue;
      return failed('home', {
        detail: messageOf(error),
        hint: 'Give a writable directory with --home or HOLDFAST_HOME.',
      });
    }
  }
}

async function checkToken(home: string): Promise<Check> {
  const { tokenFile } = homeLayout(home);
  try {
    const { mode } = await stat(tokenFile);
    if ((mode & 0o077) === 0) return passed('token', tokenFile);
    return failed('token', { detail: `${tokenFile} can be read by others`, hint: `chmod 600 ${tokenFile}` });
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return passed('token', 'made at the first start');
    return failed('token', { detail: messageOf(error), hint: 'Give the file back to your user.' });
  }
}
