import type { Command } from 'commander';
import type { Runtime } from '../command.ts';
import { getJob, jobPath } from '../references.ts';

/** Adds `transcript`: what the agents of a job said and did, as Markdown. */
export function registerTranscript(program: Command, runtime: Runtime): void {
  const command = program
    .command('transcript')
    .summary('show what the agents of a job said and did')
    .description(
      'Print what the agents of a job said and did, as Markdown: its prompt, and of each attempt the words, the tools with\n' +
        'their results, and how it ended. Long pieces are shortened; `holdfast logs` has every byte. Once an attempt has ended\n' +
        'the transcript is checked against its recorded hash each time it is read.',
    )
    .argument('<job>');
  runtime.handle(command, async (call) => {
    const { client, terminal } = call;
    const [reference = ''] = call.args;
    const job = await getJob(call, reference);
    const response = await client.send({ path: jobPath(job.id, '/transcript'), headers: { accept: 'text/markdown' } });
    if (terminal.json) {
      const sha256 = response.headers.get('etag')?.replaceAll('"', '') ?? null;
      return terminal.document({ job: job.number, id: job.id, sha256, transcript: await response.text() });
    }
    const output = terminal.outputWriter(false);
    for await (const bytes of response.body ?? []) await output.write(bytes as Uint8Array);
    await output.end();
  });
}
