import { Gauge, type Registry } from 'prom-client';
import { isAlarming } from '../lifecycle/corruption-alert.ts';
import type { Corruption } from '../lifecycle/report.ts';

/** Adds the metrics of damage to a registry; returns what brings them up to date with what is found and what is open. */
export function observeDamageIn(registry: Registry): (corruption: Corruption, open: number) => void {
  const registers = [registry];
  const name = (word: string): string => `holdfast_corruption_${word}`;
  const labelNames = ['kind'];
  const checked = new Gauge({ name: name('checked'), help: 'Records checked by this start', labelNames, registers });
  const corrupt = new Gauge({ name: name('corrupt'), help: 'Records found damaged by it', labelNames, registers });
  const rate = new Gauge({ name: name('rate'), help: 'Share of damaged records', registers });
  const alert = new Gauge({
    name: name('alert'),
    help: '1 where so much is damaged that a person must look',
    registers,
  });
  const complete = new Gauge({ name: name('complete'), help: '1 once all history is checked', registers });
  const items = new Gauge({ name: 'holdfast_quarantine_items', help: 'Things nobody has released', registers });
  return (corruption, open) => {
    for (const [kind, counts] of Object.entries(corruption.kinds ?? {})) {
      checked.set({ kind }, counts.checked);
      corrupt.set({ kind }, counts.corrupt);
    }
    rate.set(corruption.rate);
    alert.set(isAlarming(corruption) ? 1 : 0);
    complete.set(corruption.complete ? 1 : 0);
    items.set(open);
  };
}
