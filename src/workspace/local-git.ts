import { join } from 'node:path';
import { writeDurable } from '../kernel/durable.ts';
import { safeDirectoryConfig, safeGit, type GitProfile, type GitRequest, type GitResult } from './safe-git.ts';
import type { LocalRepository } from './source.ts';

/** Runs git in a repository on this machine; an operator named it, so its own configuration counts, its hooks do not. */
export type LocalGit = (args: readonly string[], more?: Partial<GitRequest>) => Promise<GitResult>;

/** Returns how git is run in a repository somebody named; `scratch` holds what its owner being somebody else makes needed. */
export async function openLocalGit(
  local: LocalRepository,
  { scratch, op, signal }: { scratch: string; op?: string | undefined; signal?: AbortSignal | undefined },
): Promise<LocalGit> {
  const configFile = local.foreign ? join(scratch, 'config') : null;
  if (configFile !== null) {
    await writeDurable(configFile, safeDirectoryConfig([local.top, join(local.top, '.git'), local.gitDir]));
  }
  const isBare = local.top === local.gitDir;
  const workTree = isBare ? {} : { workTree: local.top };
  const profile: GitProfile = { kind: 'path', gitDir: local.gitDir, ...workTree, configFile };
  const config = ['core.logAllRefUpdates=true', 'user.name=Holdfast', 'user.email=holdfast@holdfast.invalid'];
  return (args, more) => safeGit({ profile, args, config, op, signal, ...more });
}
