/** What a part of the lab tells. */
export interface Violation {
  /** Where it happened. */
  what: string;
  why: string;
  /** Command that makes it happen again. */
  replay: string;
}

export interface PartResult {
  name: string;
  /** Points tried; those that were not reached are not among them. */
  tried: number;
  /** What else is worth a number. */
  counts: Record<string, number>;
  violations: Violation[];
  seconds: number;
}

/** Carries out `work` on every item, `lanes` at a time. */
export async function inLanes<T>(items: readonly T[], lanes: number, work: (item: T) => Promise<void>): Promise<void> {
  const rest = items.values();
  const lane = async (): Promise<void> => {
    for (const item of rest) await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(lanes, items.length) }, lane));
}

/** Measures a part: what `work` puts into the result, and how long it took. */
export async function measurePart(name: string, work: (result: PartResult) => Promise<void>): Promise<PartResult> {
  const began = performance.now();
  const result: PartResult = { name, tried: 0, counts: {}, violations: [], seconds: 0 };
  await work(result);
  result.seconds = (performance.now() - began) / 1000;
  return result;
}

/** Returns one line about a part. */
export function summarise({ name, tried, counts, violations, seconds }: PartResult): string {
  const rate = (tried / Math.max(seconds, 0.001)).toFixed(1);
  const more = Object.entries(counts).map(([what, count]) => `, ${count} ${what}`);
  return `${name}: ${tried} tried${more.join('')}, ${violations.length} violations, ${seconds.toFixed(0)} s (${rate}/s)`;
}

/** Returns what was tried as the rows of a Markdown table, the newest of which stand in docs/crash-matrix.md. */
export function renderTable(results: readonly PartResult[]): string {
  const rows = results.map(({ name, tried, counts, violations, seconds }) => {
    const more = Object.entries(counts).map(([what, count]) => `${count} ${what}`);
    const rate = (tried / Math.max(seconds, 0.001)).toFixed(1);
    return `| ${name} | ${tried} | ${more.join(', ') || '–'} | ${violations.length} | ${seconds.toFixed(0)} s | ${rate}/s |`;
  });
  const head = ['| part | tried | of these | violations | time | rate |', '| --- | --- | --- | --- | --- | --- |'];
  return [...head, ...rows].join('\n');
}
