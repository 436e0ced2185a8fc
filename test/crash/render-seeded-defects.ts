import type { SeededDefect } from './seeded-defect.ts';

const HEAD = `# Seeded defects

A test that cannot fail shows nothing. Each of these defects was put into the code on purpose, and the test beside it
failed. \`node scripts/seed-defects.ts\` does it again, in a copy of the tree; words choose among the rows. The list itself
is \`test/crash/seeded-defects.ts\`; this page is made from it by \`node scripts/seed-defects.ts --write\`.

| defect | where | caught by |
|---|---|---|
`;

/** Returns the page that lists the seeded defects. */
export function renderSeededDefects(defects: readonly SeededDefect[]): string {
  const rows = defects.map(({ what, edits, file, test }) => {
    const places = [...new Set(edits.map((edit) => `\`${edit.file.replace('src/', '')}\``))].join(', ');
    return `| ${what} | ${places} | \`${file}\`${test === '' ? '' : `: ${test} …`} |\n`;
  });
  return HEAD + rows.join('');
}
