import assert from 'node:assert/strict';
import { chownSync, linkSync, mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { checkWorkspace } from './check-workspace.ts';
import { makePlace, makeWorld, type Place, type World } from './repository.fixture.ts';

interface Swap {
  name: string;
  do: (world: World, place: Place) => void;
  expected: RegExp;
}

function swap(path: string, place: Place): void {
  renameSync(path, place.path('away'));
  symlinkSync(place.path('away'), path);
}

const SWAPS: Swap[] = [
  { name: 'is gone', do: (w) => rmSync(w.workspaceDir, { recursive: true }), expected: /the workspace is missing/ },
  { name: 'is a symlink', do: (w, place) => swap(w.workspaceDir, place), expected: /the workspace is a symlink/ },
  {
    name: 'is a file',
    do: (w) => {
      rmSync(w.workspaceDir, { recursive: true });
      writeFileSync(w.workspaceDir, '');
    },
    expected: /the workspace is a file/,
  },
  {
    name: 'has no .git',
    do: (w) => rmSync(join(w.workspaceDir, '.git'), { recursive: true }),
    expected: /\.git is missing/,
  },
  {
    name: 'has a symlink as .git',
    do: (w, p) => swap(join(w.workspaceDir, '.git'), p),
    expected: /\.git is a symlink/,
  },
  {
    name: 'has a file as .git',
    do: (w) => {
      rmSync(join(w.workspaceDir, '.git'), { recursive: true });
      writeFileSync(join(w.workspaceDir, '.git'), `gitdir: ${w.mirrorDir}\n`);
    },
    expected: /\.git is a file/,
  },
  {
    name: 'borrows the objects of the mirror',
    do: (w) => {
      mkdirSync(join(w.workspaceDir, '.git/objects/info'), { recursive: true });
      writeFileSync(join(w.workspaceDir, '.git/objects/info/alternates'), join(w.mirrorDir, 'objects'));
    },
    expected: /alternates points it at another/,
  },
  {
    name: 'has its objects behind a symlink',
    do: (w, p) => swap(join(w.workspaceDir, '.git/objects'), p),
    expected: /objects is a symlink/,
  },
  {
    name: 'has its packs behind a symlink',
    do: (w, p) => swap(join(w.workspaceDir, '.git/objects/pack'), p),
    expected: /objects\/pack is not a directory/,
  },
  {
    name: 'shares a pack by a hard link',
    do: (w, p) => {
      const pack = join(w.workspaceDir, '.git/objects/pack');
      for (const name of readdirSync(pack)) linkSync(join(pack, name), p.path(name));
    },
    expected: /shared by a hard link/,
  },
  {
    name: 'has its HEAD behind a symlink',
    do: (w, p) => swap(join(w.workspaceDir, '.git/HEAD'), p),
    expected: /HEAD is a symlink/,
  },
  {
    name: 'pretends to be a linked work tree',
    do: (w) => writeFileSync(join(w.workspaceDir, '.git/commondir'), w.mirrorDir),
    expected: /commondir points it at another/,
  },
];

describe('checkWorkspace', () => {
  it('finds nothing wrong with one of ours', async () => {
    await using place = makePlace();
    const world = await makeWorld(place);
    assert.equal(await checkWorkspace(world.workspaceDir, world.mirrorDir), null);
  });

  for (const { name, do: change, expected } of SWAPS) {
    it(`says why one that ${name} cannot be trusted`, async () => {
      await using place = makePlace();
      const world = await makeWorld(place);
      change(world, place);
      assert.match((await checkWorkspace(world.workspaceDir, world.mirrorDir)) ?? 'nothing wrong', expected);
    });
  }

  it('says so when it belongs to someone else, or is the mirror', async () => {
    await using place = makePlace();
    const world = await makeWorld(place);
    assert.match((await checkWorkspace(world.mirrorDir, world.mirrorDir)) ?? '', /\.git is missing/);
    if (process.geteuid?.() !== 0) return;
    chownSync(join(world.workspaceDir, '.git'), 12345, 12345);
    assert.match((await checkWorkspace(world.workspaceDir, world.mirrorDir)) ?? '', /\.git belongs to uid 12345/);
  });
});
