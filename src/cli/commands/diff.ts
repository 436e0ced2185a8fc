import type { Command } from 'commander';
import type { Runtime } from '../command.ts';
import { getJob, jobPath } from '../references.ts';
import { cleanText } from '../sanitise.ts';
import type { Colours } from '../terminal.ts';

/** Adds `diff`: what a job changed in its workspace, uncommitted and new files included. */
export function registerDiff(program: Command, runtime: Runtime): void {
  const command = program
    .command('diff')
    .summary('show what a job changed')
    .description('Show what a job changed in its workspace, uncommitted and new files included, as a unified diff.')
    .argument('<job>');
  runtime.handle(command, async (call) => {
    const { client, terminal } = call;
    const [reference = ''] = call.args;
    const job = await getJob(call, reference);
    const response = await client.send({ path: jobPath(job.id, '/diff'), headers: { accept: 'text/x-diff' } });
    const bytes = new Uint8Array(await response.arrayBuffer());
    if (terminal.json)
      return terminal.document({ job: job.number, id: job.id, diff: Buffer.from(bytes).toString('utf8') });
    if (bytes.length === 0) return terminal.message(`job ${job.number} has changed nothing`);
    if (!terminal.isTerminal) return terminal.data(bytes);
    await terminal.data(colourDiff(cleanText(Buffer.from(bytes).toString('utf8')), terminal.colours));
  });
}

function colourDiff(diff: string, colours: Colours): string {
  return diff
    .split('\n')
    .map((line) => {
      if (/^(diff |index |--- |\+\+\+ |new file|deleted file|old mode|new mode|rename |similarity )/.test(line)) {
        return colours.bold(line);
      }
      if (line.startsWith('@@')) return colours.cyan(line);
      if (line.startsWith('+')) return colours.green(line);
      return line.startsWith('-') ? colours.red(line) : line;
    })
    .join('\n');
}
