import { cleanText } from '../sanitise.ts';
import { renderTable, type Cell } from '../table.ts';
import type { Colours, Terminal } from '../terminal.ts';
import { isProof, type Audience, type Measurements } from './perform.ts';

/** Returns an audience that tells what happens on stdout, step by step. */
export function narrate(terminal: Terminal, title: string): Audience {
  const { bold, cyan, dim, green, red } = terminal.colours;
  let step = 0;
  const say = (text: string): void => void terminal.data(`${text}\n`);
  const begin = (text: string): void => say(`${cyan(String(++step))}  ${text}`);
  return {
    serverStarted: ({ url, pid }) => begin(`a server on a git repository of its own ${dim(`· pid ${pid}, ${url}`)}`),
    agentStarted: (pid) => begin(`${title} ${dim(`· pid ${pid}`)}`),
    printed: (line) => say(`   ${dim('│')} ${cleanText(line)}`),
    serverKilled: (pid) => begin(red(bold(`SIGKILL to the server`)) + dim(` · pid ${pid} is gone`)),
    stillWorking: ({ pid, from, to }) =>
      begin(
        `${green('still working')} without a server ${dim(`· pid ${pid} is alive, its output grew from ${from} to ${to} bytes`)}`,
      ),
    reattached: ({ serverPid, ms, outcome }) =>
      begin(
        `a new server ${green(outcome ?? 'did not find the job')} after ${bold(`${ms} ms`)} ${dim(`· pid ${serverPid}`)}`,
      ),
  };
}

/** Returns an audience that says nothing. */
export function keepSilent(): Audience {
  const nothing = (): void => undefined;
  return {
    serverStarted: nothing,
    agentStarted: nothing,
    printed: nothing,
    serverKilled: nothing,
    stillWorking: nothing,
    reattached: nothing,
  };
}

/** Returns the closing table and its verdict. */
export function renderMeasurements(measured: Measurements, colours: Colours): string {
  const { bytes, agentPid, serverPid } = measured;
  const mark = (good: boolean): Cell => ({ text: good ? '✓' : '✗', style: good ? colours.green : colours.red });
  const none: Cell = { text: '' };
  const rows: (Cell | string)[][] = [
    ['server pid', String(serverPid.before), String(serverPid.after), none],
    ['agent pid', String(agentPid.before), String(agentPid.after ?? 'none'), mark(measured.sameProcess)],
    ['bytes received', String(bytes.beforeKill), String(bytes.total), none],
    ['bytes written with no server', '', String(bytes.whileDown), mark(bytes.whileDown > 0)],
    ['bytes lost', '', String(bytes.lost), mark(bytes.lost === 0)],
    ['bytes repeated', '', String(bytes.repeated), mark(bytes.repeated === 0)],
    [startsLabel(measured), '', String(measured.starts), mark(measured.starts === 1)],
    ['exit code', '', String(measured.exitCode ?? 'unknown'), mark(measured.exitCode === 0)],
    ['recovery report says', '', measured.outcome ?? 'nothing', mark(measured.outcome === 'reattached')],
    ['time to reattach', '', `${measured.reattachMs} ms`, none],
  ];
  const columns = [
    { title: '' },
    { title: 'BEFORE', align: 'right' as const },
    { title: 'AFTER', align: 'right' as const },
    { title: '' },
  ];
  const table = renderTable({ columns, rows, width: null, heading: colours.bold });
  const verdict = isProof(measured)
    ? colours.green('✓ The server died. The work did not.')
    : colours.red('✗ This is not what Holdfast promises. Please report it with the table above.');
  return `\n${table}\n${verdict}\n`;
}

function startsLabel(measured: Measurements): string {
  return measured.startsCountedBy === 'process' ? 'starts counted by the process itself' : 'attempts';
}
