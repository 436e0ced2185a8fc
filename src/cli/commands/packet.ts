import type { Command } from 'commander';
import { describeWeakness, judgePacket } from '../../pipeline/packet.ts';
import type { Runtime } from '../command.ts';
import { readPackets } from '../packets.ts';
import { cleanLine } from '../sanitise.ts';

/** What is said of one packet: `ok`, `weak` (it would be accepted and blocked), `bad` (it would be refused). */
interface Judgement {
  name: string;
  verdict: 'ok' | 'weak' | 'bad';
  why: string | null;
  sha256: string | null;
}

/** Adds `packet validate`: judges packets as a submission would, without a server. */
export function registerPacket(program: Command, runtime: Runtime): void {
  const packet = program
    .command('packet')
    .summary('check structured work items')
    .description('Check structured work items.');
  const validate = packet
    .command('validate')
    .summary('judge packets without sending them')
    .description(
      'Judge packets as a submission would, without sending them: JSON, YAML, or Markdown with front matter, one or several in\n' +
        'a file. The exit code is 1 when one is weak (it would be blocked) or not valid (it would be refused).',
    )
    .argument('<file...>');
  runtime.handle(validate, async ({ terminal, args, shell }) => {
    const items: Judgement[] = [];
    for (const path of args) {
      for (const { name, value } of await readPackets(path, shell.cwd)) items.push(judge(name, value));
    }
    if (terminal.json) await terminal.document({ items });
    else
      await terminal.data(
        items
          .map(
            ({ name, verdict, why }) => `${cleanLine(name)}: ${verdict}${why === null ? '' : `, ${cleanLine(why)}`}\n`,
          )
          .join(''),
      );
    return items.every(({ verdict }) => verdict === 'ok') ? 0 : 1;
  });
}

function judge(name: string, value: unknown): Judgement {
  const judged = judgePacket(value);
  if ('faults' in judged) return { name, verdict: 'bad', why: judged.faults.join('; '), sha256: null };
  const why = describeWeakness(judged.packet, judged.missing);
  return { name, verdict: why === null ? 'ok' : 'weak', why, sha256: judged.sha256 };
}
