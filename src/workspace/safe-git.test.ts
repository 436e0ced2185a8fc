import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { afterEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { isError } from '../kernel/errors.ts';
import { updateMirror } from './mirror.ts';
import { commitFiles, makePlace, makeRepository, plainGit, type Place } from './repository.fixture.ts';
import { configureGit, gitVersion, quoteConfig, safeDirectoryConfig, safeGit, type GitProfile } from './safe-git.ts';
import { inspectSource } from './source.ts';

const SYSTEM = '/usr/local/bin:/usr/bin:/bin';
const NONE: GitProfile = { kind: 'local', gitDir: null };

afterEach(() => configureGit({ path: SYSTEM, networkEnv: {}, caFile: null }));

/** Puts an `ssh` first in the path: it writes down how it was called and runs the server's half on this machine. */
function useLocalSsh(place: Place, script = 'for last; do :; done; exec sh -c "$last"'): void {
  const program = place.path('ssh');
  const notes = `echo $$ > ${place.path('pid')}; env > ${place.path('env')}; echo "$@" > ${place.path('args')}`;
  writeFileSync(program, `#!/bin/sh\n${notes}\n${script}\n`, { mode: 0o755 });
  configureGit({ path: `${place.root}:${SYSTEM}` });
}

describe('safeGit', () => {
  it('runs git with exactly the variables of its profile', async () => {
    await using place = makePlace();
    makeRepository(place.path('source'));
    useLocalSsh(place);
    configureGit({ networkEnv: { SSH_AUTH_SOCK: '/run/agent' } });
    const source = `ssh://host.invalid${place.path('source')}`;
    await safeGit({ profile: { kind: 'network', gitDir: null }, args: ['ls-remote', '--', source], op: 'op_1' });
    const lines = readFileSync(place.path('env'), 'utf8').trim().split('\n');
    const env = Object.fromEntries(
      lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
    );
    const git = Object.keys(env)
      .filter((name) => name.startsWith('GIT_') && name !== 'GIT_PROTOCOL')
      .toSorted();
    // A transport runs without our repository and settings: git itself takes GIT_DIR and GIT_CONFIG_PARAMETERS away.
    assert.deepEqual(git, [
      'GIT_ALLOW_PROTOCOL',
      'GIT_CONFIG_GLOBAL',
      'GIT_CONFIG_NOSYSTEM',
      'GIT_EXEC_PATH',
      'GIT_OPTIONAL_LOCKS',
      'GIT_TERMINAL_PROMPT',
    ]);
    assert.equal(env['GIT_ALLOW_PROTOCOL'], 'https:ssh');
    assert.equal(env['HOLDFAST_OP'], 'op_1');
    assert.equal(env['SSH_AUTH_SOCK'], '/run/agent');
    assert.match(readFileSync(place.path('args'), 'utf8'), /-oBatchMode=yes/);
    assert.throws(
      () => configureGit({ networkEnv: { GIT_SSH: 'x' } }),
      (error) => isError(error, 'bad-config'),
    );
  });

  it('opens only the transports of its profile', async () => {
    await using place = makePlace();
    const source = place.path('source');
    makeRepository(source);
    const gitDir = place.path('source/.git');
    const observe: GitProfile = { kind: 'observe', gitDir, workTree: source, indexFile: place.path('index') };
    const tries: [GitProfile, string][] = [
      [{ kind: 'local', gitDir }, source],
      [observe, source],
      [{ kind: 'network', gitDir }, source],
      [{ kind: 'network', gitDir }, `file://${source}`],
      [{ kind: 'network', gitDir }, `ext::touch ${place.path('canary')}`],
      [{ kind: 'network', gitDir }, 'git://127.0.0.1/x'],
      [{ kind: 'network', gitDir }, 'http://127.0.0.1/x'],
      [{ kind: 'path', gitDir, configFile: null }, `ext::touch ${place.path('canary')}`],
      [{ kind: 'path', gitDir, configFile: null }, 'ssh://127.0.0.1/x'],
    ];
    for (const [profile, address] of tries) {
      const refused = safeGit({ profile, args: ['ls-remote', '--', address] });
      await assert.rejects(
        refused,
        (error) => isError(error, 'git-failed') && /not allowed/.test(error.detail),
        address,
      );
    }
    assert.ok(!existsSync(place.path('canary')));
    await safeGit({ profile: { kind: 'path', gitDir, configFile: null }, args: ['ls-remote', '--', source] });
  });

  it('finds no repository above its working directory', async () => {
    const found = safeGit({ profile: NONE, args: ['rev-parse', '--git-dir'] });
    await assert.rejects(found, (error) => isError(error, 'git-failed') && /not a git repository/.test(error.detail));
  });

  it("reports git's own words, time limits and too much output", async () => {
    await using place = makePlace();
    makeRepository(place.path('source'), { file: 'x'.repeat(5000) });
    const profile: GitProfile = { kind: 'local', gitDir: place.path('source/.git') };
    const detail = (error: unknown): boolean =>
      isError(error, 'git-failed') && /bad revision 'nope'/.test(error.detail);
    await assert.rejects(safeGit({ profile, args: ['log', 'nope', '--'] }), detail);
    const show = { profile, args: ['show', 'HEAD:file'], maxBytes: 100 };
    await assert.rejects(safeGit(show), (error) => isError(error, 'git-failed') && /more than 100/.test(error.detail));
    assert.equal((await safeGit({ ...show, allowTruncated: true })).stdout.length, 100);
    const none = await safeGit({ profile, args: ['rev-parse', '-q', '--verify', 'nope'], okCodes: [0, 1] });
    assert.equal(none.code, 1);
    configureGit({ path: place.root });
    await assert.rejects(gitVersion(), (error) => isError(error, 'git-failed') && /missing/.test(error.detail));
  });

  it('ends a transport that hangs, and what it started', async () => {
    await using place = makePlace();
    useLocalSsh(place, 'exec sleep 600');
    const hang = safeGit({
      profile: { kind: 'network', gitDir: null },
      args: ['ls-remote', '--', 'ssh://host.invalid/x'],
      timeoutMs: 3000,
    });
    await assert.rejects(hang, (error) => isError(error, 'git-timeout'));
    const pid = readFileSync(place.path('pid'), 'utf8').trim();
    for (let tries = 0; tries < 1000; tries++) {
      if (!existsSync(`/proc/${pid}`) || /\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))) return;
      await sleep(20);
    }
    assert.fail('ssh outlived git');
  });

  it('quotes what goes into a configuration file', async () => {
    await using place = makePlace();
    const paths = ['/plain', '/with "quotes"', '/back\\slash', '/semi;colon # hash', '/tab\there'];
    writeFileSync(place.path('config'), safeDirectoryConfig(paths));
    const read = plainGit(place.root, 'config', '--file', place.path('config'), '--get-all', '-z', 'safe.directory');
    assert.deepEqual(read.split('\0').slice(0, -1), paths);
    assert.throws(
      () => quoteConfig('/a\n[core]'),
      (error) => isError(error, 'source-refused'),
    );
  });

  it('knows its version', async () => {
    assert.match(await gitVersion(), /^\d+\.\d+/);
  });
});

describe('a source on the network', () => {
  it('is inspected and mirrored like one on this machine', async () => {
    await using place = makePlace();
    const first = makeRepository(place.path('source'));
    plainGit(place.path('source'), 'branch', 'side');
    useLocalSsh(place);
    const source = `ssh://git@host.invalid:2222${place.path('source')}`;
    const found = await inspectSource(source);
    assert.deepEqual(found, { kind: 'url', source, base: 'main', name: 'source' });
    const request = { mirrorDir: place.path('repos/r/mirror.git'), source, sourceKind: 'url', op: 'op_1' } as const;
    assert.deepEqual(await updateMirror({ ...request, base: 'main' }), { head: first, cloned: true });
    const second = commitFiles(place.path('source'), { more: 'x' });
    assert.deepEqual(await updateMirror({ ...request, base: null }), { head: second, cloned: false });
    await assert.rejects(inspectSource(source, { base: 'nope' }), (error) => isError(error, 'branch-not-found'));
    plainGit(place.root, 'init', '-q', 'empty');
    const empty = `host.invalid:${place.path('empty')}`;
    await assert.rejects(inspectSource(empty), (error) => isError(error, 'empty-repository'));
  });

  it('that does not answer is named, with what git said', async () => {
    const server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    try {
      const inspected = inspectSource(`https://127.0.0.1:${port}/x`);
      await assert.rejects(inspected, (error) => isError(error, 'git-failed') && /unable to access/.test(error.detail));
    } finally {
      server.close();
    }
  });
});
