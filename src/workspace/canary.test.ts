/**
 * S31 to S34 as a set: everything in a repository that can make git run a program is armed with one that leaves a mark.
 * Each trap first has to go off under plain git, else this test could not fail; then everything this room does is done
 * to the same tree, and no mark may appear.
 */
import assert from 'node:assert/strict';
import {
  appendFileSync,
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { checkWorkspace } from './check-workspace.ts';
import { discardWorkspace } from './discard-workspace.ts';
import { updateMirror } from './mirror.ts';
import { diffWorkspace, saveTree } from './observe.ts';
import { prepareWorkspace } from './prepare-workspace.ts';
import {
  commitFiles,
  makePlace,
  makeRepository,
  makeWorld,
  plainGit,
  runPlain,
  writeFiles,
} from './repository.fixture.ts';
import type { Place, World } from './repository.fixture.ts';
import { safeGit, type GitProfile } from './safe-git.ts';
import { inspectSource } from './source.ts';

interface Trap {
  name: string;
  /** Arms it in the repository at `repo`; `program` leaves the mark. */
  arm(repo: string, program: string): void;
  /** What a person would run in the repository to make it go off, or null where that needs a terminal. */
  trigger: string[] | null;
}

function set(...settings: [string, string][]): Trap['arm'] {
  return (repo, program) => {
    for (const [key, value] of settings) plainGit(repo, 'config', key, value.replaceAll('PROGRAM', program));
  };
}

function attribute(text: string, ...settings: [string, string][]): Trap['arm'] {
  return (repo, program) => {
    set(...settings)(repo, program);
    appendFileSync(join(repo, '.gitattributes'), `${text}\n`);
    writeFileSync(join(repo, 'README.md'), 'changed\n');
  };
}

function hooks(directory: string, program: string): void {
  mkdirSync(directory, { recursive: true });
  const names = ['pre-commit', 'post-commit', 'post-checkout', 'post-index-change', 'reference-transaction'];
  for (const name of [...names, 'pre-auto-gc', 'post-merge', 'fsmonitor-watchman', 'update', 'post-update']) {
    writeFileSync(join(directory, name), `#!/bin/sh\n${program}\n`, { mode: 0o755 });
  }
}

const TRAPS: readonly Trap[] = [
  { name: 'core.fsmonitor', arm: set(['core.fsmonitor', 'PROGRAM']), trigger: ['git', 'status'] },
  {
    name: 'core.hooksPath',
    arm: (repo, program) => {
      hooks(join(repo, 'hooks'), program);
      plainGit(repo, 'config', 'core.hooksPath', 'hooks');
    },
    trigger: ['git', 'commit', '--allow-empty', '-qm', 'x'],
  },
  {
    name: 'hooks of its own',
    arm: (repo, program) => hooks(join(repo, '.git', 'hooks'), program),
    trigger: ['git', 'commit', '--allow-empty', '-qm', 'x'],
  },
  { name: 'filter.clean', arm: attribute('* filter=x', ['filter.x.clean', 'PROGRAM']), trigger: ['git', 'add', '.'] },
  {
    name: 'filter.smudge',
    arm: attribute('* filter=x', ['filter.x.smudge', 'PROGRAM']),
    trigger: ['git', 'checkout', 'README.md'],
  },
  {
    name: 'filter.process',
    arm: attribute('* filter=x', ['filter.x.process', 'PROGRAM']),
    trigger: ['git', 'add', '.'],
  },
  { name: 'diff.command', arm: attribute('* diff=x', ['diff.x.command', 'PROGRAM']), trigger: ['git', 'diff'] },
  { name: 'diff.textconv', arm: attribute('* diff=x', ['diff.x.textconv', 'PROGRAM']), trigger: ['git', 'diff'] },
  { name: 'diff.external', arm: attribute('', ['diff.external', 'PROGRAM']), trigger: ['git', 'diff'] },
  {
    name: 'core.sshCommand',
    arm: set(['core.sshCommand', 'PROGRAM'], ['remote.origin.url', 'ssh://host.invalid/x']),
    trigger: ['git', 'fetch', 'origin'],
  },
  {
    name: 'a remote that is a program',
    arm: set(['protocol.ext.allow', 'always'], ['remote.origin.url', 'ext::PROGRAM']),
    trigger: ['git', 'fetch', 'origin'],
  },
  {
    name: 'remote.uploadpack',
    arm: set(['remote.origin.url', '.'], ['remote.origin.uploadpack', 'PROGRAM']),
    trigger: ['git', 'fetch', 'origin'],
  },
  { name: 'core.pager', arm: set(['core.pager', 'PROGRAM'], ['pager.diff', 'PROGRAM']), trigger: null },
  {
    name: 'credential.helper',
    arm: set(['credential.helper', '!PROGRAM']),
    trigger: ['sh', '-c', 'printf "protocol=https\\nhost=x\\n\\n" | GIT_TERMINAL_PROMPT=0 git credential fill'],
  },
  {
    name: 'gpg.program',
    arm: set(['gpg.program', 'PROGRAM'], ['commit.gpgSign', 'true']),
    trigger: ['git', 'commit', '--allow-empty', '-qm', 'x'],
  },
  { name: 'alias', arm: set(['alias.st', '!PROGRAM']), trigger: ['git', 'st'] },
  {
    name: 'include.path',
    arm: (repo, program) => {
      writeFileSync(join(repo, 'more.config'), `[core]\n\tfsmonitor = ${program}\n`);
      plainGit(repo, 'config', 'include.path', '../more.config');
    },
    trigger: ['git', 'status'],
  },
  {
    name: 'a second configuration file',
    arm: (repo, program) => {
      plainGit(repo, 'config', 'extensions.worktreeConfig', 'true');
      writeFileSync(join(repo, '.git', 'config.worktree'), `[core]\n\tfsmonitor = ${program}\n`);
    },
    trigger: ['git', 'status'],
  },
  {
    name: 'a nested repository',
    arm: (repo, program) => {
      makeRepository(join(repo, 'nested'), { file: 'x' });
      plainGit(repo, 'add', 'nested');
      set(['core.fsmonitor', 'PROGRAM'])(join(repo, 'nested'), program);
      hooks(join(repo, 'nested', '.git', 'hooks'), program);
    },
    trigger: ['git', 'status'],
  },
  {
    name: 'a submodule',
    arm: (repo, program) => {
      makeRepository(join(repo, '..', 'library'), { file: 'x' });
      const library = join(repo, '..', 'library');
      plainGit(repo, '-c', 'protocol.file.allow=always', 'submodule', '--quiet', 'add', library, 'sub');
      set(['core.fsmonitor', 'PROGRAM'])(join(repo, 'sub'), program);
    },
    trigger: ['git', 'status'],
  },
  {
    name: 'a bare layout in a folder',
    arm: (repo, program) => {
      plainGit(repo, 'init', '-q', '--bare', 'planted');
      plainGit(repo, '--git-dir=planted', '--work-tree=.', 'add', 'README.md');
      const settings = `[core]\n\trepositoryformatversion = 0\n\tbare = false\n\tworktree = ${repo}\n\tfsmonitor = ${program}\n`;
      writeFileSync(join(repo, 'planted', 'config'), settings);
    },
    trigger: ['sh', '-c', 'cd planted && git status'],
  },
  {
    name: '.gitmodules that names a program',
    arm: (repo, program) => {
      const module = `[submodule "x"]\n\tpath = x\n\turl = ext::${program}\n`;
      writeFileSync(join(repo, '.gitmodules'), module);
      const commit = plainGit(repo, 'rev-parse', 'HEAD').trim();
      plainGit(repo, 'update-index', '--add', '--cacheinfo', `160000,${commit},x`);
      mkdirSync(join(repo, 'x'));
    },
    trigger: ['git', '-c', 'protocol.ext.allow=always', 'submodule', 'update', '--init'],
  },
];

interface Canary {
  program: string;
  sang(): boolean;
}

function makeCanary(place: Place): Canary {
  const mark = place.path('canary');
  const program = place.path('sing.sh');
  writeFileSync(program, `#!/bin/sh\necho "$0 $*" >> ${mark}\nexit 1\n`);
  chmodSync(program, 0o755);
  return { program, sang: () => existsSync(mark) };
}

/** What the server does to a workspace, again and again. */
async function readWorkspace({ mirrorDir, workspaceDir, base }: World): Promise<string> {
  const text = await diffWorkspace({ mirrorDir, workspaceDir, baseCommit: base });
  const ref = 'refs/holdfast/job_1/attempt-1';
  await saveTree({ mirrorDir, workspaceDir, ref, message: 'saved', parent: base });
  await checkWorkspace(workspaceDir, mirrorDir);
  return text;
}

/** Everything else: the hostile tree is also what a stranger's repository looks like when it is registered. */
async function register(place: Place, repository: string): Promise<void> {
  const { source, base: branch, name } = await inspectSource(repository);
  const mirrorDir = place.path('repos', name, 'mirror.git');
  for (const op of ['op_3', 'op_4']) {
    const { head } = await updateMirror({ mirrorDir, source, sourceKind: 'path', op, base: branch });
    const target = place.path('jobs', name, op, 'workspace');
    await prepareWorkspace({ mirrorDir, workspaceDir: target, baseCommit: head, branch: 'holdfast/x', op });
    await diffWorkspace({ mirrorDir, workspaceDir: target, baseCommit: head });
  }
}

describe('nothing an agent leaves in a repository is run', () => {
  for (const trap of TRAPS) {
    it(`not by ${trap.name}`, async () => {
      await using place = makePlace();
      if (trap.trigger !== null) {
        const shown = place.path('shown');
        makeRepository(shown);
        const canary = makeCanary(place);
        trap.arm(shown, canary.program);
        runPlain(shown, trap.trigger);
        assert.ok(canary.sang(), 'the trap does not go off under plain git: the test would prove nothing');
        rmSync(place.path('canary'));
        rmSync(place.path('library'), { recursive: true, force: true });
      }
      const world = await makeWorld(place);
      const canary = makeCanary(place);
      trap.arm(world.workspaceDir, canary.program);
      writeFiles(world.workspaceDir, { 'work.txt': 'done\n' });
      assert.match(await readWorkspace(world), /\+done/);
      assert.ok(!canary.sang(), canary.sang() ? readFileSync(place.path('canary'), 'utf8') : '');
    });
  }

  it('not by all of them together, committed and uncommitted', async () => {
    await using place = makePlace();
    const world = await makeWorld(place);
    const canary = makeCanary(place);
    // Attributes last: with them in force plain git cannot even make the other traps.
    const late = (trap: Trap): number => Number(/filter|diff/.test(trap.name));
    for (const trap of TRAPS.toSorted((a, b) => late(a) - late(b))) trap.arm(world.workspaceDir, canary.program);
    const stranger = place.path('stranger');
    const names = ['.gitattributes', '.gitmodules'];
    const read = (name: string): string => readFileSync(join(world.workspaceDir, name), 'utf8');
    makeRepository(stranger, Object.fromEntries(names.map((name) => [name, read(name)])));
    cpSync(join(world.workspaceDir, '.git', 'config'), join(stranger, '.git', 'config'));
    hooks(join(stranger, '.git', 'hooks'), canary.program);
    rmSync(place.path('canary'), { force: true });
    assert.match(await readWorkspace(world), /^diff --git/m);
    await register(place, world.workspaceDir);
    await register(place, stranger);
    assert.ok(!canary.sang());
    await discardWorkspace({ ...world, removalsDir: place.path('removals'), op: 'op_9' });
    assert.ok(!canary.sang());
  });

  it('not by variables in the environment of the server', async () => {
    await using place = makePlace();
    const world = await makeWorld(place);
    const canary = makeCanary(place);
    writeFiles(world.workspaceDir, { 'README.md': 'changed\n', 'work.txt': 'done\n' });
    const planted = {
      GIT_EXTERNAL_DIFF: canary.program,
      GIT_SSH_COMMAND: canary.program,
      GIT_PAGER: canary.program,
      GIT_CONFIG_COUNT: '1',
      GIT_CONFIG_KEY_0: 'core.fsmonitor',
      GIT_CONFIG_VALUE_0: canary.program,
      GIT_DIR: world.source,
      GIT_OBJECT_DIRECTORY: place.path('elsewhere'),
      GIT_INDEX_FILE: place.path('elsewhere', 'index'),
      GIT_EXEC_PATH: place.path('elsewhere'),
    };
    const before = { ...process.env };
    Object.assign(process.env, planted);
    try {
      assert.match(await readWorkspace(world), /\+done/);
      await register(place, world.workspaceDir);
    } finally {
      for (const name of Object.keys(planted)) {
        if (before[name] === undefined) delete process.env[name];
        else process.env[name] = before[name];
      }
    }
    assert.ok(!canary.sang());
    assert.ok(!existsSync(place.path('elsewhere')));
  });
});

describe('a command that is pointed at a hostile .git after all', () => {
  // Filters and diff drivers would run there: that is why trees are read through a repository of ours.
  for (const name of ['core.fsmonitor', 'core.hooksPath', 'hooks of its own', 'include.path', 'a nested repository']) {
    it(`runs nothing by ${name}`, async () => {
      await using place = makePlace();
      const repo = place.path('repo');
      makeRepository(repo);
      const canary = makeCanary(place);
      const trap = TRAPS.find((candidate) => candidate.name === name) ?? assert.fail(`no trap ${name}`);
      trap.arm(repo, canary.program);
      runPlain(repo, trap.trigger ?? []);
      assert.ok(canary.sang());
      rmSync(place.path('canary'));
      writeFiles(repo, { 'work.txt': 'done\n' });
      const gitDir = join(repo, '.git');
      const profile: GitProfile = { kind: 'observe', gitDir, workTree: repo, indexFile: join(gitDir, 'index') };
      await safeGit({ profile, args: ['add', 'work.txt'] });
      await safeGit({
        profile,
        args: ['diff', '--no-ext-diff', '--no-textconv', '--ignore-submodules=all', 'HEAD', '--'],
      });
      const config = ['user.name=x', 'user.email=x@example.invalid'];
      await safeGit({ profile, args: ['commit', '-qm', 'x'], config });
      assert.ok(!canary.sang());
    });
  }
});

describe('a workspace whose .git was replaced', () => {
  it('is named unsafe, and its content is still read from its own files only', async () => {
    await using place = makePlace();
    const world = await makeWorld(place);
    const other = place.path('other');
    makeRepository(other, { secret: 'of another job\n' });
    commitFiles(other, { secret2: 'x' });
    const git = join(world.workspaceDir, '.git');
    renameSync(git, place.path('away'));
    writeFileSync(git, `gitdir: ${join(other, '.git')}\n`);
    writeFiles(world.workspaceDir, { 'work.txt': 'done\n' });
    assert.match((await checkWorkspace(world.workspaceDir, world.mirrorDir)) ?? '', /\.git is a file/);
    const text = await diffWorkspace({ ...world, baseCommit: world.base });
    assert.match(text, /\+done/);
    assert.doesNotMatch(text, /secret/);
  });
});
