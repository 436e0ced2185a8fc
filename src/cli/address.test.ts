import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { isError } from '../kernel/errors.ts';
import { findServer, normaliseUrl, readServerFile } from './address.ts';
import { findHome } from './shell.ts';

async function makeHome(t: TestContext, files: Record<string, string>): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), 'hf-address-'));
  t.after(() => rm(home, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) await writeFile(join(home, name), text);
  return home;
}

const SERVER = JSON.stringify({
  url: 'http://127.0.0.1:7420',
  pid: 12,
  start: '1',
  bootId: 'boot_1',
  version: '0.1.0',
});

test('the home is the option, else the variable, else the state directory, else below HOME', () => {
  const env = { HOLDFAST_HOME: '/h', XDG_STATE_HOME: '/s', HOME: '/u' };
  assert.equal(findHome('rel', { env, cwd: '/w' }), '/w/rel');
  assert.equal(findHome(undefined, { env, cwd: '/w' }), '/h');
  assert.equal(findHome(undefined, { env: { ...env, HOLDFAST_HOME: '' }, cwd: '/w' }), '/s/holdfast');
  assert.equal(
    findHome(undefined, { env: { XDG_STATE_HOME: 'relative', HOME: '/u' }, cwd: '/w' }),
    '/u/.local/state/holdfast',
  );
});

test('the server of the home is found with its token', async (t) => {
  const home = await makeHome(t, { 'server.json': SERVER, token: 'hf_secret\n' });
  const expected = { url: 'http://127.0.0.1:7420', token: 'hf_secret', bootId: 'boot_1', pid: 12, certificate: null };
  assert.deepEqual(await findServer({ home, url: null, token: null, certificateFile: null }), expected);
  assert.equal((await findServer({ home, url: null, token: 'given', certificateFile: null })).token, 'given');
});

test('without a server file no server answers', async (t) => {
  const home = await makeHome(t, {});
  await assert.rejects(findServer({ home, url: null, token: null, certificateFile: null }), (error) =>
    isError(error, 'server-unreachable'),
  );
  assert.equal(await readServerFile(home), null);
});

test('a server file that cannot be read or understood is an error, not an absent server', async (t) => {
  for (const text of ['', '{', 'null', '[]', '{"url":"http://127.0.0.1:1"}']) {
    const home = await makeHome(t, { 'server.json': text });
    await assert.rejects(readServerFile(home), (error) => isError(error, 'server-unreachable'), text);
  }
  const home = await makeHome(t, { file: '' });
  await assert.rejects(readServerFile(join(home, 'file')), (error) => isError(error, 'home-unusable'));
});

test("the home's token is sent to this machine only", async (t) => {
  const home = await makeHome(t, { token: 'hf_secret\n' });
  const tokenFor = async (url: string): Promise<string | null> =>
    (await findServer({ home, url, token: null, certificateFile: null })).token;
  for (const url of ['http://127.0.0.1:1', 'http://localhost', 'http://[::1]:2/', 'http://127.9.9.9']) {
    assert.equal(await tokenFor(url), 'hf_secret', url);
  }
  for (const url of [
    'https://example.com',
    'http://127.0.0.1.example.com',
    'http://localhost.example.com',
    'http://10.0.0.1',
  ]) {
    assert.equal(await tokenFor(url), null, url);
  }
  assert.equal(
    (await findServer({ home, url: 'https://example.com', token: 'given', certificateFile: null })).token,
    'given',
  );
});

test('an address is made regular, and anything but plain http and https is refused', () => {
  assert.equal(normaliseUrl('http://127.0.0.1:7420/'), 'http://127.0.0.1:7420');
  assert.equal(normaliseUrl('https://Example.com/holdfast//'), 'https://example.com/holdfast');
  for (const url of ['', '127.0.0.1:7420', 'file:///etc/passwd', 'ftp://x', 'http://user:pass@host', 'http://']) {
    assert.throws(
      () => normaliseUrl(url),
      (error) => isError(error, 'bad-usage'),
      url,
    );
  }
});
