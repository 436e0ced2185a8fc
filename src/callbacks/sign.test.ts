import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { Webhook } from 'standardwebhooks';
import type { Clock } from '../kernel/clock.ts';
import { openSecrets, ROTATION_MS } from './secrets.ts';
import { signMessage } from './sign.ts';

const BODY = '{"type":"job.completed","timestamp":"2026-01-01T00:00:00.000Z","data":{"é":1}}';

function scratch(): { path: string; [Symbol.dispose](): void } {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-secret-'));
  return { path: join(folder, 'callback-secret.json'), [Symbol.dispose]: () => rmSync(folder, { recursive: true }) };
}

function clockAt(time: number): Clock & { time: number } {
  const clock = { time, now: () => clock.time, monotonic: () => clock.time };
  return clock;
}

function headersOf(secrets: string[], overrides: Record<string, string> = {}): Record<string, string> {
  const timestampSeconds = Math.floor(Date.now() / 1000);
  return {
    'webhook-id': 'dlv_1',
    'webhook-timestamp': String(timestampSeconds),
    'webhook-signature': signMessage({ id: 'dlv_1', timestampSeconds, body: BODY }, secrets),
    ...overrides,
  };
}

describe('signatures, as the reference receiver sees them', () => {
  const current = `whsec_${Buffer.alloc(32, 1).toString('base64')}`;
  const verify = (headers: Record<string, string>, body = BODY, secret = current): unknown =>
    new Webhook(secret).verify(body, headers);

  it('are valid', () => assert.deepEqual(verify(headersOf([current])), JSON.parse(BODY)));

  it('are not valid for another body, id, time or secret', () => {
    const headers = headersOf([current]);
    const other = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
    assert.throws(() => verify(headers, BODY.replace('completed', 'cancelled')));
    assert.throws(() => verify({ ...headers, 'webhook-id': 'dlv_2' }));
    assert.throws(() => verify({ ...headers, 'webhook-timestamp': String(Math.floor(Date.now() / 1000) - 60) }));
    assert.throws(() => verify(headers, BODY, other));
  });

  it('are not valid when replayed later', () => {
    const timestampSeconds = Math.floor(Date.now() / 1000) - 3600;
    const signature = signMessage({ id: 'dlv_1', timestampSeconds, body: BODY }, [current]);
    const replayed = { 'webhook-timestamp': String(timestampSeconds), 'webhook-signature': signature };
    assert.throws(() => verify(headersOf([current], replayed)), /timestamp/i);
  });

  it('are valid by the old and by the new secret during a rotation', () => {
    using file = scratch();
    const secrets = openSecrets(file.path, clockAt(0));
    const old = secrets.read().current;
    secrets.replace(secrets.make());
    const rotated = secrets.read();
    const headers = headersOf([rotated.current, ...rotated.previous.map(({ secret }) => secret)]);
    assert.notEqual(rotated.current, old);
    for (const secret of [old, rotated.current]) assert.deepEqual(verify(headers, BODY, secret), JSON.parse(BODY));
  });
});

describe('the secrets', () => {
  it('are made once, for the owner’s eyes', () => {
    using file = scratch();
    const first = openSecrets(file.path, clockAt(0)).read();
    assert.match(first.current, /^whsec_[A-Za-z0-9+/]{43}=$/);
    assert.equal(statSync(file.path).mode & 0o777, 0o600);
    assert.deepEqual(openSecrets(file.path, clockAt(5)).read(), first);
  });

  it('sign for a day after their rotation, also by the next server', () => {
    using file = scratch();
    const clock = clockAt(1000);
    const secrets = openSecrets(file.path, clock);
    const { current } = secrets.read();
    secrets.replace(secrets.make());
    clock.time += ROTATION_MS - 1;
    const next = openSecrets(file.path, clock);
    assert.deepEqual(next.read().previous, [{ secret: current, until: 1000 + ROTATION_MS }]);
    clock.time += 1;
    assert.deepEqual(next.read().previous, []);
    for (let n = 0; n < 9; n++) next.replace(next.make());
    assert.equal(next.read().previous.length, 4);
  });

  it('are never read wrong: one flipped bit of their file is noticed, wherever it is', () => {
    using file = scratch();
    const secrets = openSecrets(file.path, clockAt(0));
    secrets.replace(secrets.make());
    const known = secrets.read();
    const bytes = readFileSync(file.path);
    let noticed = 0;
    for (let bit = 0; bit < bytes.length * 8; bit += 13) {
      const damaged = Buffer.from(bytes);
      damaged.writeUInt8(damaged.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      writeFileSync(file.path, damaged);
      try {
        assert.deepEqual(openSecrets(file.path, clockAt(0)).read(), known, `bit ${bit}`);
      } catch (error) {
        assert.match(String(error), /does not hold the secrets/, `bit ${bit}`);
        noticed++;
      }
    }
    assert.ok(noticed > (bytes.length * 6) / 13, `only ${noticed} were noticed`);
  });

  it('of an older version, without a sum, are taken and get one', () => {
    using file = scratch();
    const secret = `whsec_${'A'.repeat(43)}=`;
    writeFileSync(file.path, JSON.stringify({ current: secret, previous: [] }));
    assert.equal(openSecrets(file.path, clockAt(0)).read().current, secret);
    assert.match(readFileSync(file.path, 'utf8'), /"sum":"[0-9a-f]{64}"/);
  });

  it('are not replaced when their file is damaged', () => {
    using file = scratch();
    for (const text of ['', '{', '{"current":"whsec_","previous":[]}', '{"current":1}', '[]', 'null']) {
      writeFileSync(file.path, text);
      assert.throws(() => openSecrets(file.path, clockAt(0)).read(), /does not hold the secrets/, text);
      assert.equal(readFileSync(file.path, 'utf8'), text);
    }
  });
});
