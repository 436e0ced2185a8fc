import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { BackupView, PageView } from '../../api/contract.ts';
import { toIso } from '../../kernel/clock.ts';
import { ERRORS, fail, isError, type ErrorCode } from '../../kernel/errors.ts';
import { renderBackupProgress, renderBackups, type BackupProgressView } from '../backup-view.ts';
import type { Call, Runtime } from '../command.ts';
import { consoleLog } from '../console-log.ts';
import { cleanLine } from '../sanitise.ts';
import { refuseRemote } from '../shell.ts';
import { formatBytes } from '../times.ts';

interface BackupOptions {
  list?: boolean;
  verify?: boolean;
}

/** How long one question waits for the end of a backup, milliseconds: the live line moves in between. */
const ASK_MS = 300;

/** Adds `backup DIRECTORY`, `backup --verify DIRECTORY` and `backup --list`. */
export function registerBackup(program: Command, runtime: Runtime): void {
  const command = program
    .command('backup')
    .summary('save the home into a directory')
    .description(
      'Save the home into a new directory, while jobs go on or with no server at all, and read it back. It holds secrets: ' +
        'prompts, output, configuration and the secret of callbacks; only you may read it.',
    )
    .argument('[directory]', 'a directory that does not exist yet, best on another disk')
    .option('--verify', 'read an existing backup back instead: every file, the journal, every repository')
    .option('--list', 'list the backups that were made of this home');
  runtime.handle<BackupOptions>(command, async (call) => {
    const { options, args, shell } = call;
    if (options.list === true) return listBackups(call);
    const [directory] = args;
    if (directory === undefined) throw fail('bad-usage', 'name the directory of the backup');
    const path = resolve(shell.cwd, directory);
    if (options.verify === true) return verify(call, path);
    refuseRemote(call);
    await make(call, path);
  });
}

/** A live server holds the database and is asked; without one this process takes the home. */
async function make(call: Call<BackupOptions>, path: string): Promise<void> {
  const { terminal } = call;
  const { findServerProcess } = await import('../../server/control.ts');
  const server = await findServerProcess(call.home);
  const made = server?.alive === true ? await askServer(call, path) : await makeHere(call, path);
  terminal.live(null);
  if (terminal.json) return terminal.document(made);
  await terminal.data(`${made.path}\n`);
  terminal.message(`backup ${made.id}: ${made.files ?? 0} files, ${formatBytes(made.bytes ?? 0)}, read back and whole`);
  if (made.note !== null) terminal.message(terminal.messageColours.yellow(cleanLine(made.note)));
  terminal.message(`restore it with: holdfast restore ${cleanLine(made.path)} --home DIRECTORY`);
}

async function askServer({ client, terminal }: Call<BackupOptions>, path: string): Promise<BackupView> {
  const post = { method: 'POST', path: '/v1/backups', body: { path }, idempotencyKey: crypto.randomUUID() } as const;
  let backup = await client.call<BackupView>(post);
  while (backup.state === 'making') {
    if (backup.progress !== null) terminal.live(renderBackupProgress(backup.progress));
    backup = await client.get<BackupView>(`/v1/backups/${backup.id}`, { waitMs: ASK_MS });
  }
  if (backup.state !== 'failed') return backup;
  const { errorCode, note } = backup;
  const isKnown = errorCode !== null && Object.hasOwn(ERRORS, errorCode);
  throw fail(isKnown ? (errorCode as ErrorCode) : 'internal', note ?? 'the backup failed');
}

async function makeHere({ home, terminal, shell }: Call<BackupOptions>, path: string): Promise<BackupView> {
  const { makeOfflineBackup } = await import('../../server/backup.ts');
  const { presentBackup } = await import('../../api/contract/backup.ts');
  const onProgress = (progress: BackupProgressView): void => terminal.live(renderBackupProgress(progress));
  const made = await makeOfflineBackup({
    home,
    path,
    log: consoleLog(terminal),
    signal: shell.interrupted,
    failpoints: shell.env['HOLDFAST_FAILPOINTS'],
    onProgress,
  });
  return presentBackup(made, { progress: null, error: null });
}

async function verify({ terminal, shell }: Call<BackupOptions>, path: string): Promise<void> {
  const { checkBackup } = await import('../../server/backup.ts');
  const onProgress = (done: number, total: number): void => terminal.live(`reading file ${done} of ${total}`);
  const { id, holdfast, home, madeAt, jobs, files, missing, damaged, database } = await checkBackup({
    path,
    signal: shell.interrupted,
    onProgress,
  });
  terminal.live(null);
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  const summary = { id, path, holdfast, home, madeAt: toIso(madeAt), jobs, files: files.length, bytes };
  if (terminal.json) return terminal.document({ ...summary, lastSeq: database.lastSeq, missing, damaged });
  await terminal.data(`${path}\n`);
  terminal.message(
    `backup ${id} of ${cleanLine(home)}, made ${summary.madeAt} by version ${holdfast}: ${jobs} jobs, ` +
      `${files.length} files, ${formatBytes(bytes)}, whole`,
  );
  for (const one of missing) terminal.message(`not in it: ${cleanLine(one)}`);
  for (const one of damaged) terminal.message(`damaged in the home and in it: ${cleanLine(one)}`);
}

async function listBackups({ client, terminal }: Call<BackupOptions>): Promise<void> {
  const page = await client.get<PageView<BackupView>>('/v1/backups').catch((error: unknown) => {
    if (!isError(error, 'server-unreachable')) throw error;
    throw fail('server-unreachable', error.detail, {
      hint: 'Start one with `holdfast server start`; it keeps the list.',
    });
  });
  if (terminal.json) return terminal.document(page);
  if (page.items.length === 0) return terminal.message('no backups were made of this home');
  await terminal.data(renderBackups(page.items, terminal));
}
