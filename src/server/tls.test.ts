import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeCertificate } from '../../test/support/certificate.ts';
import { isError } from '../kernel/errors.ts';
import { readTls } from './tls.ts';

const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

test('a certificate counts from its first to its last day', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-tls-'));
  try {
    const files = makeCertificate(directory, 'box', 'DNS:box');
    const readAt = (days: number) => {
      const at = Date.now() + days * 86_400_000;
      return readTls(files, { clock: { now: () => at, monotonic: () => 0 }, log });
    };
    assert.match((await readAt(1)).own, /^-----BEGIN CERTIFICATE-----\n/);
    await assert.rejects(readAt(3), (error) => isError(error, 'bad-certificate') && /expired at/.test(error.detail));
    await assert.rejects(readAt(-1), (error) => isError(error, 'bad-certificate') && /counts from/.test(error.detail));
  } finally {
    await rm(directory, { recursive: true });
  }
});
