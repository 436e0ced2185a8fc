/** What an agent may leave of its repository, and whether work can go on there. */
import assert from 'node:assert/strict';
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { whyUnworkable } from './check-history.ts';
import { commitFiles, makePlace, makeWorld, plainGit, writeFiles, type World } from './repository.fixture.ts';

function judge({ mirrorDir, workspaceDir, base }: World): Promise<string | null> {
  return whyUnworkable({ mirrorDir, workspaceDir, baseCommit: base, op: 'op_3' });
}

const WORKABLE: Record<string, (workspace: string) => void> = {
  'nothing at all': () => undefined,
  'commits, and changes beside them': (workspace) => {
    commitFiles(workspace, { one: '1' });
    writeFiles(workspace, { two: '2' });
  },
  'work on a branch it left': (workspace) => {
    plainGit(workspace, 'switch', '-q', '-c', 'mine');
    commitFiles(workspace, { one: '1' });
    plainGit(workspace, 'switch', '-q', '-');
  },
  'a repository inside its own': (workspace) => {
    plainGit(workspace, 'init', '-q', 'inner');
    commitFiles(join(workspace, 'inner'), { one: '1' });
    commitFiles(workspace, {});
  },
  'a detached HEAD': (workspace) => plainGit(workspace, 'switch', '-q', '--detach'),
};

const UNWORKABLE: [string, (workspace: string) => void, RegExp][] = [
  ['its .git deleted', (workspace) => rmSync(join(workspace, '.git'), { recursive: true }), /\.git is missing/],
  ['its directory deleted', (workspace) => rmSync(workspace, { recursive: true }), /the workspace is missing/],
  [
    'its history rewritten',
    (workspace) => plainGit(workspace, 'commit', '-q', '--amend', '--allow-empty', '-m', 'other'),
    /does not stand on/,
  ],
  [
    'a history of its own',
    (workspace) => {
      plainGit(workspace, 'checkout', '-q', '--orphan', 'alone');
      plainGit(workspace, 'commit', '-q', '--allow-empty', '-m', 'first');
    },
    /does not stand on/,
  ],
  ['a branch without a commit', (workspace) => plainGit(workspace, 'checkout', '-q', '--orphan', 'x'), /has no commit/],
  [
    'its commits gone',
    (workspace) => {
      commitFiles(workspace, { one: '1' });
      const commit = plainGit(workspace, 'rev-parse', 'HEAD').trim();
      rmSync(join(workspace, '.git', 'objects', commit.slice(0, 2), commit.slice(2)));
    },
    /is no commit|missing or damaged/,
  ],
  [
    'objects of somewhere else',
    (workspace) => {
      mkdirSync(join(workspace, '.git', 'objects', 'info'), { recursive: true });
      writeFileSync(join(workspace, '.git', 'objects', 'info', 'alternates'), '/tmp\n');
    },
    /another repository/,
  ],
  [
    'a link in the place of .git',
    (workspace) => {
      renameSync(join(workspace, '.git'), `${workspace}.git`);
      symlinkSync(`${workspace}.git`, join(workspace, '.git'));
    },
    /\.git is a symlink/,
  ],
];

describe('a workspace in which an agent left', () => {
  for (const [what, leave] of Object.entries(WORKABLE)) {
    it(`${what} can be worked in`, async () => {
      await using place = makePlace();
      const world = await makeWorld(place);
      leave(world.workspaceDir);
      assert.equal(await judge(world), null);
    });
  }

  for (const [what, leave, why] of UNWORKABLE) {
    it(`${what} cannot`, async () => {
      await using place = makePlace();
      const world = await makeWorld(place);
      leave(world.workspaceDir);
      assert.match((await judge(world)) ?? '', why);
    });
  }
});
