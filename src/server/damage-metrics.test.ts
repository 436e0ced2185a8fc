import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Registry } from 'prom-client';
import { observeDamageIn } from './damage-metrics.ts';

test('the metrics tell how much is damaged, and whether that is an alarm', async () => {
  const registry = new Registry();
  const show = observeDamageIn(registry);
  const clean = { checked: 100, ok: 100, corrupt: 0, rate: 0, files: [], complete: false };
  show(clean, 0);
  assert.match(await registry.metrics(), /^holdfast_corruption_alert 0$/m);
  show({ ...clean, corrupt: 6, rate: 0.06, complete: true, kinds: { exit: { checked: 100, corrupt: 6 } } }, 6);
  const text = await registry.metrics();
  for (const line of ['alert 1', 'rate 0.06', 'complete 1', 'corrupt{kind="exit"} 6', 'checked{kind="exit"} 100']) {
    assert.ok(text.includes(`\nholdfast_corruption_${line}\n`), line);
  }
  assert.match(text, /^holdfast_quarantine_items 6$/m);
  show({ ...clean, corrupt: 4, rate: 0.5, complete: true }, 4);
  assert.match(await registry.metrics(), /^holdfast_corruption_alert 0$/m);
});
