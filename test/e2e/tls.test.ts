/** A server that speaks TLS with a certificate nobody signed, its own command line, its agents, and an impostor. */
import assert from 'node:assert/strict';
import { chmod, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { killServer } from '../../src/server/control.ts';
import { makeCertificate } from '../support/certificate.ts';
import { World } from '../support/world.ts';
import { run } from './command.ts';

/** Reads its own job as a program without our code would, then goes on long enough to be followed. */
const AGENT = `curl --silent --show-error --cacert "$HOLDFAST_CA_FILE" --header "authorization: Bearer $HOLDFAST_TOKEN" \\
  --output /dev/null --write-out 'own job: %{http_code}\\n' "$HOLDFAST_URL/v1/jobs/$HOLDFAST_JOB"; sleep 0.3; echo end`;

test('the command line and the agents of a home trust exactly its certificate, over a crash and no other', async () => {
  await using world = await World.create();
  const { cert, key } = makeCertificate(world.root, 'box', 'IP:127.0.0.1');
  const tls = ['--tls-cert', cert, '--tls-key', key];
  const started = await run(world, ['server', 'start', '--port', '0', ...tls]);
  assert.equal(started.code, 0, started.stderr);
  assert.match(started.stdout, /^https:\/\/127\.0\.0\.1:\d+\n$/);
  await run(world, ['repo', 'add', world.repository, '--name', 'demo']);
  const followed = await run(world, ['run', '--repo', 'demo', '--follow', '--', 'sh', '-c', AGENT]);
  assert.deepEqual([followed.code, followed.stdout], [0, 'own job: 200\nend\n'], followed.stderr);
  const strict = await fetch(`${(await world.readServer()).url}/healthz`).catch((error: Error) => error.cause);
  assert.equal((strict as { code?: string }).code, 'DEPTH_ZERO_SELF_SIGNED_CERT', 'nobody else trusts it');

  await killServer(world.home.root);
  const again = makeCertificate(world.root, 'another', 'DNS:not.this.machine');
  const restarted = await run(world, ['server', 'start', '--tls-cert', again.cert, '--tls-key', again.key]);
  assert.equal(restarted.code, 0, restarted.stderr);
  const listed = await run(world, ['jobs', '--json']);
  assert.equal(listed.code, 0, 'a new certificate is trusted as it is, whatever its name says');
  const { url } = await world.readServer();
  assert.equal((await run(world, ['jobs', '--url', url])).code, 0, 'and by its address');
  const elsewhere = { HOLDFAST_HOME: join(world.root, 'none'), HOLDFAST_URL: url, HOLDFAST_TOKEN: 'x' };
  assert.equal((await run(world, ['jobs'], { env: elsewhere })).code, 6, 'not from another home');
  const named = { ...elsewhere, HOLDFAST_TOKEN: (await readFile(world.home.tokenFile, 'utf8')).trim() };
  const trusted = await run(world, ['jobs'], { env: { ...named, HOLDFAST_CA_FILE: again.cert } });
  assert.equal(trusted.code, 0, trusted.stderr);
  assert.equal((await run(world, ['jobs'], { env: { ...named, HOLDFAST_CA_FILE: cert } })).code, 6, 'not the old one');
  assert.equal((await run(world, ['server', 'stop'])).code, 0);
});

test('an impostor at the address of the server is sent nothing', async () => {
  await using world = await World.create();
  const own = makeCertificate(world.root, 'own', 'IP:127.0.0.1');
  const theirs = makeCertificate(world.root, 'theirs', 'IP:127.0.0.1');
  await run(world, ['server', 'start', '--port', '0', '--tls-cert', own.cert, '--tls-key', own.key]);
  const file = await readFile(world.home.serverFile, 'utf8');
  await killServer(world.home.root);
  let requests = 0;
  const options = { cert: await readFile(theirs.cert), key: await readFile(theirs.key) };
  const impostor = createServer(options, (_request, response) => {
    requests++;
    response.end('{}');
  });
  await new Promise<void>((resolve) => impostor.listen(0, '127.0.0.1', resolve));
  try {
    const url = `https://127.0.0.1:${(impostor.address() as AddressInfo).port}`;
    await writeFile(world.home.serverFile, JSON.stringify({ ...(JSON.parse(file) as object), url }));
    const refused = await run(world, ['jobs']);
    assert.equal(refused.code, 6);
    assert.match(refused.stderr, /another certificate/);
    assert.equal(requests, 0);
  } finally {
    impostor.close();
  }
});

test('what cannot be a certificate and its key ends a start before anything is done', async () => {
  await using world = await World.create();
  const one = makeCertificate(world.root, 'one', 'IP:127.0.0.1');
  const two = makeCertificate(world.root, 'two', 'IP:127.0.0.1');
  const text = join(world.root, 'text');
  await writeFile(text, 'no certificate\n');
  const cases: [string[], RegExp][] = [
    [['--tls-cert', one.cert], /--tls-cert needs --tls-key/],
    [['--tls-key', one.key], /--tls-key needs --tls-cert/],
    [['--tls-cert', join(world.root, 'none'), '--tls-key', one.key], /none cannot be read/],
    [['--tls-cert', one.cert, '--tls-key', world.root], /cannot be read/],
    [['--tls-cert', text, '--tls-key', one.key], /text cannot be used/],
    [['--tls-cert', one.cert, '--tls-key', text], /text cannot be used/],
    [['--tls-cert', one.cert, '--tls-key', two.key], /two\.key is not that of the certificate/],
  ];
  for (const [args, message] of cases) {
    for (const words of [
      ['serve', '--port', '0'],
      ['server', 'start'],
    ]) {
      const refused = await run(world, [...words, ...args]);
      assert.equal(refused.code, 2, `${words.join(' ')} ${args.join(' ')}: ${refused.stderr}`);
      assert.match(refused.stderr, message);
    }
  }
  await assert.rejects(stat(world.home.database), 'no store was made');
  await chmod(one.key, 0o644);
  assert.equal((await run(world, ['server', 'start', '--tls-cert', one.cert, '--tls-key', one.key])).code, 0);
  assert.match(await readFile(world.home.serverLog, 'utf8'), /others can read the key/);
});
