import { MAX_FAILING, type TestSummary } from '../lifecycle/stage.ts';

/** Longest name of a test that is kept, characters. */
const MAX_NAME_CHARS = 200;

/** Counts the tests of a run. Names are others' words: one line each, and not too long. */
export class SummaryBuilder {
  readonly #format: TestSummary['format'];
  #passed = 0;
  #failed = 0;
  #skipped = 0;
  readonly #failing: string[] = [];

  constructor(format: TestSummary['format']) {
    this.#format = format;
  }

  pass(): void {
    this.#passed += 1;
  }

  skip(): void {
    this.#skipped += 1;
  }

  fail(name: string): void {
    this.#failed += 1;
    if (this.#failing.length >= MAX_FAILING) return;
    const line = name.replaceAll(/[\u0000-\u001f\u007f-\u009f]+/g, ' ').trim();
    this.#failing.push(line.slice(0, MAX_NAME_CHARS).toWellFormed());
  }

  build(): TestSummary {
    const [passed, failed, skipped] = [this.#passed, this.#failed, this.#skipped];
    const tests = passed + failed + skipped;
    return { format: this.#format, tests, passed, failed, skipped, failing: [...this.#failing] };
  }
}
