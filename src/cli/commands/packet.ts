import type { Command } from 'commander';
import { describeWeakness, judgePacket } from '../../pipeline/packet.ts';
import type { Runtime } from '../command.ts';
import { orderPackets, type Links, type OrderedPacket } from '../packet-order.ts';
import { readPackets, type WrittenPacket } from '../packets.ts';
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
      'Judge packets as one submission of all would, without sending them: JSON, YAML, or Markdown with front matter, one or\n' +
        'several in a file. The exit code is 1 when one is weak (it would be blocked) or not valid (it would be refused).',
    )
    .argument('<file...>');
  runtime.handle(validate, async ({ terminal, args, shell }) => {
    const items = judgeAll((await Promise.all(args.map((path) => readPackets(path, shell.cwd)))).flat());
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

function judgeAll(written: readonly WrittenPacket[]): Judgement[] {
  const judged = written.map(({ name, value }) => ({ name, one: judgePacket(value) }));
  const formed = judged.flatMap(({ name, one }): OrderedPacket[] =>
    'faults' in one ? [] : [{ name, packet: one.packet }],
  );
  const { links, faults } = orderPackets(formed);
  return judged.map(({ name, one }) => {
    if ('faults' in one) return { name, verdict: 'bad', why: one.faults.join('; '), sha256: null };
    const { sha256, missing } = one;
    const at = formed.findIndex(({ packet }) => packet === one.packet);
    const wrong = faults.filter((fault) => fault.at === at).map(({ why }) => why);
    if (wrong.length > 0) return { name, verdict: 'bad', why: wrong.join('; '), sha256 };
    const weak = describeWeakness(missing);
    return { name, verdict: weak === null ? 'ok' : 'weak', why: weak ?? tellJobs(links[at]), sha256 };
  });
}

/** What it depends on beside the packets of these files; null for nothing. */
function tellJobs(links: Links | undefined): string | null {
  if (links === undefined || links.jobs.length === 0) return null;
  return `it comes after ${links.jobs.join(', ')}: a job of that name must exist`;
}
