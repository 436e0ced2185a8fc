import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import type { GlobalOptions, Output } from './shell.ts';
import { Terminal } from './terminal.ts';

interface Screen {
  terminal: Terminal;
  out: () => string;
  err: () => string;
}

function open(tty: { out: boolean; err: boolean }, options: GlobalOptions = {}, env: NodeJS.ProcessEnv = {}): Screen {
  const make = (isTTY: boolean): { stream: Output; text: () => string } => {
    const stream: Output = new PassThrough();
    let text = '';
    stream.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
    if (isTTY) Object.assign(stream, { isTTY: true, columns: 40 });
    return { stream, text: () => text };
  };
  const [out, err] = [make(tty.out), make(tty.err)];
  const terminal = new Terminal({ shell: { env, stdout: out.stream, stderr: err.stream }, options });
  return { terminal, out: out.text, err: err.text };
}

test('data goes to stdout and messages to stderr, without colours or a live line into a pipe', async () => {
  const { terminal, out, err } = open({ out: false, err: false });
  terminal.live('working');
  await terminal.data(terminal.colours.red('data\n'));
  terminal.message(terminal.messageColours.red('message'));
  assert.deepEqual([out(), err()], ['data\n', 'message\n']);
});

test('bytes into a pipe are exact, on a terminal they are made safe, with --raw they are exact again', async () => {
  const bytes = Buffer.concat([Buffer.from('a\u001b]52;c;x\u0007\u001b[31mb\r'), Buffer.from([0xff, 0x00])]);
  const show = async (isTTY: boolean, raw: boolean): Promise<Buffer> => {
    const stream: Output = new PassThrough();
    if (isTTY) Object.assign(stream, { isTTY: true });
    const terminal = new Terminal({ shell: { env: {}, stdout: stream, stderr: new PassThrough() }, options: {} });
    const writer = terminal.outputWriter(raw);
    for (const byte of bytes) await writer.write(Buffer.from([byte]));
    await writer.end();
    stream.end();
    const chunks: Buffer[] = [];
    for await (const chunk of stream as PassThrough) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks);
  };
  assert.deepEqual(await show(false, false), bytes);
  assert.deepEqual(await show(true, true), bytes);
  assert.equal((await show(true, false)).toString('utf8'), 'a\u001b[31mb\n\ufffd\u001b[0m');
});

test('the live line is taken away before anything else is written, and cut to the terminal', async () => {
  const { terminal, out, err } = open({ out: true, err: true }, { color: false });
  terminal.live('x'.repeat(100));
  assert.equal(err(), `${'x'.repeat(38)}…`);
  await terminal.data('line\n');
  assert.equal(out(), 'line\n');
  assert.ok(err().startsWith(`${'x'.repeat(38)}…\r\u001b[2K${'x'.repeat(38)}…`));
  const before = err();
  await terminal.data('half a line');
  assert.equal(err().slice(before.length), '\r\u001b[2K', 'it must not be drawn behind half a line');
  terminal.message('said');
  assert.ok(err().includes('\nsaid\n'), 'a message begins its own line');
  terminal.live(null);
  assert.ok(err().endsWith('\r\u001b[2K'));
});

test('the live line shows no control sequence of a job', () => {
  const { terminal, err } = open({ out: true, err: true }, { color: false });
  terminal.live('job \u001b[2Jname');
  assert.equal(err(), 'job name');
});

test('--quiet leaves data and alarms, --verbose adds details', () => {
  const quiet = open({ out: true, err: true }, { quiet: true, color: false });
  quiet.terminal.live('live');
  quiet.terminal.message('message');
  quiet.terminal.detail('detail');
  quiet.terminal.alarm('alarm');
  assert.equal(quiet.err(), 'alarm\n');
  const verbose = open({ out: false, err: false }, { verbose: true });
  verbose.terminal.detail('detail');
  assert.equal(verbose.err(), 'detail\n');
});

test('colours follow the terminal, the variables and the options', () => {
  const coloured = (options: GlobalOptions, env: NodeJS.ProcessEnv, out = true): boolean =>
    open({ out, err: false }, options, env).terminal.colours.red('x') !== 'x';
  assert.equal(coloured({}, {}), true);
  assert.equal(coloured({}, {}, false), false);
  assert.equal(coloured({ color: false }, { FORCE_COLOR: '1' }), false);
  assert.equal(coloured({ json: true }, { FORCE_COLOR: '1' }), false);
  assert.equal(coloured({}, { NO_COLOR: '1' }), false);
  assert.equal(coloured({}, { NO_COLOR: '' }), true);
  assert.equal(coloured({}, { TERM: 'dumb' }), false);
  assert.equal(coloured({}, { FORCE_COLOR: '1' }, false), true);
});

test('a document is one line into a pipe and harmless on a terminal', async () => {
  const value = { text: 'a\u009b\u202eb' };
  const pipe = open({ out: false, err: false });
  await pipe.terminal.document(value);
  assert.equal(pipe.out(), `${JSON.stringify(value)}\n`);
  const screen = open({ out: true, err: false });
  await screen.terminal.document(value);
  assert.ok(!/[\u0080-\u009f\u202e]/.test(screen.out()));
  assert.deepEqual(JSON.parse(screen.out()), value);
});
