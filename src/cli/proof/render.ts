import type { Terminal } from '../terminal.ts';
import { cleanLine } from '../sanitise.ts';
import type { Line, Proof } from './prove.ts';

/** Returns who prints each line as it is known. */
export function narrate(terminal: Terminal): (line: Line) => void {
  const { colours } = terminal;
  return (line) => {
    const sign = line.held ? colours.green('✓') : colours.red('✗');
    const seconds = (line.ms / 1000).toFixed(1).padStart(5);
    void terminal.data(`${sign} ${line.name.padEnd(28)} ${colours.dim(`${seconds} s`)}  ${cleanLine(line.evidence)}\n`);
  };
}

/** Returns the proof as Markdown: one row for each claim. */
export function renderProof(proof: Proof): string {
  const cell = (text: string): string => cleanLine(text).replaceAll('|', '\\|');
  const rows = proof.lines.map(
    ({ name, claim, held, evidence }) =>
      `| ${held ? 'held' : '**NOT HELD**'} | ${cell(name)} | ${cell(claim)} | ${cell(evidence)} |`,
  );
  const held = proof.lines.filter((line) => line.held).length;
  return [
    '# Proof',
    '',
    `${held} of ${proof.lines.length} claims held. Repeat it with \`holdfast proof --seed ${proof.seed}\`.`,
    '',
    '| | what | claim | seen |',
    '| --- | --- | --- | --- |',
    ...rows,
    '',
  ].join('\n');
}
