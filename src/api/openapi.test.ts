import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { makeServer } from './api.fixture.ts';

const GOLDEN = new URL('../../test/golden/openapi.json', import.meta.url);

test('the OpenAPI document is the golden one (UPDATE_GOLDEN=1 writes it)', async () => {
  await using running = await makeServer();
  const { text, headers } = await running.call('GET', '/openapi.json');
  assert.equal(headers.get('content-type'), 'application/json; charset=utf-8');
  // oxlint-disable-next-line no-process-env
  if (process.env['UPDATE_GOLDEN'] === '1') await writeFile(GOLDEN, text);
  assert.equal(text, await readFile(GOLDEN, 'utf8'));
});

test('the document is complete: every reference leads somewhere, every operation has an error and a summary', async () => {
  await using running = await makeServer();
  const { text } = await running.call('GET', '/openapi.json');
  const document = JSON.parse(text) as {
    openapi: string;
    paths: Record<string, Record<string, { summary?: string; responses: Record<string, unknown> }>>;
    components: { schemas: Record<string, unknown> };
  };
  assert.equal(document.openapi, '3.1.0');
  const names = new Set(Object.keys(document.components.schemas));
  const references = [...text.matchAll(/"\$ref": "#\/components\/schemas\/(\w+)"/g)].map((match) => match[1] ?? '');
  assert.ok(references.length > 20);
  for (const name of references) assert.ok(names.has(name), name);
  for (const [path, item] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(item)) {
      assert.ok(operation.summary, `${method} ${path} has no summary`);
      assert.ok(operation.responses['default'], `${method} ${path} names no problem`);
    }
  }
});
