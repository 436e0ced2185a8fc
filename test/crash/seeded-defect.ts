/**
 * Defects that were put into the code on purpose, each with the test that must fail by it: a test that cannot fail
 * shows nothing. `node scripts/seed-defects.ts` puts each into a copy of the tree and runs its test there.
 */
export interface SeededDefect {
  /** What the code does wrong then. */
  what: string;
  /** `find` occurs exactly once in `file`. */
  edits: readonly { file: string; find: string; replace: string }[];
  /** Below test/crash. */
  file: string;
  /** Begin of the name of the test that fails. */
  test: string;
}
