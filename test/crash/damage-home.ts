/** One damaged record of every kind: rows of every table, the files of a run, of a job, of a repository and of the home. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { RUN_FILES } from '../../src/keeper/protocol.ts';
import type { Job } from '../../src/lifecycle/job.ts';
import type { OneOfEach } from '../support/one-of-each.ts';
import type { World } from '../support/world.ts';

export interface Damage {
  /** Kind under which it must be named. */
  kind: string;
  /** Contained in the name it must be named by. */
  name: string;
  /** Whether the start itself made it good, so that a later look finds nothing. */
  mended?: true;
}

/** What is there to be damaged. */
export interface Past {
  /** Finished, from the oldest on. */
  jobs: readonly Job[];
  one: OneOfEach;
  /** Ran to its end, with a transcript. */
  told: readonly [string, string];
}

/** With another list of migrations nobody knows what any table means: such a database is refused (check.test.ts). */
const REFUSED = 'migrations';

/** Statements with what they damage. */
type Change = [statement: string, Damage];

/** Changes of what jobs consist of. */
function changesOfJobs({ jobs, one }: Past): Change[] {
  const id = (n: number): string => jobs[n]?.id ?? '';
  const job = (n: number): Damage => ({ kind: 'job', name: id(n) });
  const prompt = jobs[7]?.promptSha256 ?? '';
  return [
    [`UPDATE jobs SET exit_code = 7 WHERE id = '${id(0)}'`, job(0)],
    [`UPDATE jobs SET limits = '{"wallMs":' WHERE id = '${id(1)}'`, job(1)],
    [`UPDATE jobs SET output_bytes = 4611686018427387904 WHERE id = '${id(2)}'`, job(2)],
    [`UPDATE attempts SET verdict = 'FINISHEE' WHERE job_id = '${id(3)}'`, job(3)],
    [`UPDATE events SET hash = replace(hash, 'a', 'b') WHERE subject = '${id(4)}'`, job(4)],
    [`UPDATE events SET data = replace(data, '{', '[') WHERE subject = '${id(5)}'`, job(5)],
    [`DELETE FROM attempts WHERE job_id = '${id(6)}'`, job(6)],
    [`UPDATE prompts SET body = body || '!' WHERE sha256 = '${prompt}'`, { kind: 'prompt', name: prompt }],
    [`UPDATE deliveries SET state = 'sent' WHERE state = 'failed'`, { kind: 'job', name: one.toldOf }],
    [`UPDATE resources SET target = 'other'`, { kind: 'job', name: one.withResource }],
    [
      `UPDATE batches SET through = through + 1 WHERE job_id = '${one.withBatch}'`,
      { kind: 'job', name: one.withBatch },
    ],
    [`UPDATE job_files SET overwrite = 1 WHERE job_id = '${one.withFiles}'`, { kind: 'job', name: one.withFiles }],
    [`UPDATE gates SET result = 'FAIL' WHERE job_id = '${one.gated[0]}'`, { kind: 'job', name: one.gated[0] }],
    [`UPDATE refusals SET word = 'late'`, { kind: 'job', name: one.refused }],
    [`UPDATE evidence SET bytes = bytes + 1 WHERE job_id = '${one.gated[1]}'`, { kind: 'job', name: one.gated[1] }],
  ];
}

/** Changes of everything else; `read` gives the one value of a query. */
function changesOfOthers({ one }: Past, read: (query: string) => string): Change[] {
  const removed = read(`SELECT subject FROM tombstones WHERE subject LIKE 'repo_%'`);
  const repository = read(`SELECT id FROM repositories WHERE name = 'third'`);
  const [ann, bob] = one.accounts;
  const target = read('SELECT id FROM callback_targets');
  const last = Number(read('SELECT max(seq) FROM events'));
  return [
    [`UPDATE boots SET report = '{"bootId'`, { kind: 'boot', name: read('SELECT id FROM boots') }],
    [`UPDATE tokens SET name = 'root'`, { kind: 'token', name: read('SELECT id FROM tokens') }],
    [`UPDATE accounts SET name = 'eve' WHERE id = '${ann}'`, { kind: 'account', name: ann }],
    [`UPDATE account_secrets SET secret = 'known' WHERE account_id = '${bob}'`, { kind: 'account', name: bob }],
    [`UPDATE repositories SET trusted = 1 WHERE id = '${repository}'`, { kind: 'repository', name: repository }],
    [
      `UPDATE tombstones SET removed_at = removed_at + 1 WHERE subject = '${removed}'`,
      { kind: 'tombstone', name: removed },
    ],
    [`UPDATE deliveries SET body = body || ' ' WHERE id = '${one.delivery}'`, { kind: 'delivery', name: one.delivery }],
    [`UPDATE callback_targets SET disabled_at = NULL`, { kind: 'target', name: target }],
    [`DELETE FROM job_others`, { kind: 'index', name: 'job_others' }],
    [`DELETE FROM job_after`, { kind: 'index', name: 'job_after' }],
    [
      `UPDATE quarantine SET why = 'nothing' WHERE id = '${one.quarantine}'`,
      { kind: 'quarantine', name: one.quarantine },
    ],
    [`UPDATE repairs SET target = '/' WHERE id = '${one.repair}'`, { kind: 'repair', name: one.repair }],
    [`UPDATE rotations SET actor = 'eve'`, { kind: 'rotation', name: one.rotation }],
    [`UPDATE backups SET path = '/' WHERE id = '${one.backup}'`, { kind: 'backup', name: one.backup }],
    [`UPDATE counters SET value = value + 3 WHERE name = 'state:completed'`, { kind: 'counter', name: 'completed' }],
    [`UPDATE counters SET value = 2 WHERE name = 'jobNumber'`, { kind: 'counter', name: 'jobNumber', mended: true }],
    [`UPDATE counters SET value = ${last - 1} WHERE name = 'seq'`, { kind: 'counter', name: 'seq', mended: true }],
    [
      `INSERT INTO locks (key, boot, holder, operation, job_id, acquired_at, fence)
         VALUES ('repo:demo2', 'boot_x', '{"pid":', 'op_x', NULL, 1, 1)`,
      { kind: 'lock', name: 'repo:demo2' },
    ],
  ];
}

/** Damages one record of every kind in the database. Throws when a table is not among them. */
export function damageRows(world: World, past: Past): Damage[] {
  const database = new DatabaseSync(world.home.database);
  database.exec('PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON');
  const read = (query: string): string => String(Object.values(database.prepare(query).get() ?? {})[0]);
  const changes = [...changesOfJobs(past), ...changesOfOthers(past, read)];
  for (const [statement] of changes) {
    const { changes: count } = database.prepare(statement).run();
    assert.ok(Number(count) > 0, `changed nothing: ${statement}`);
  }
  const text = changes.map(([statement]) => statement).join('\n');
  const tables = database.prepare(`SELECT name FROM sqlite_master WHERE type = 'table'`).all();
  const spared = tables
    .map((row) => String(row['name']))
    .filter((name) => name !== REFUSED && !new RegExp(`(UPDATE|FROM|INTO) ${name}\\b`).test(text));
  database.close();
  assert.deepEqual(spared, [], 'these tables have no damaged row');
  return changes.map(([, damage]) => damage);
}

function flip(path: string, at: number): void {
  const bytes = readFileSync(path);
  bytes.writeUInt8(bytes.readUInt8(at) ^ 4, at);
  writeFileSync(path, bytes);
}

function flipMiddle(path: string): void {
  flip(path, Math.floor(statSync(path).size / 2));
}

/** Damages one file of every kind in run directories. */
export function damageRuns({ home }: World, { jobs }: Past): Damage[] {
  const damages = (Object.keys(RUN_FILES) as (keyof typeof RUN_FILES)[])
    .filter((kind) => KEPT_OF_A_RUN.has(kind))
    .map((kind, n) => {
      // Not every job has printed to stderr.
      const printed = jobs.find(({ id }) => existsSync(join(home.runDirectory(id, 1), RUN_FILES.stderr)));
      const job = (kind === 'stderr' ? printed : jobs[20 + n])?.id ?? '';
      flipMiddle(join(home.runDirectory(job, 1), RUN_FILES[kind]));
      return { kind, name: join(job, 'attempts', '1', RUN_FILES[kind]) };
    });
  const [cut, missing, gone] = [jobs[30]?.id ?? '', jobs[31]?.id ?? '', jobs[32]?.id ?? ''];
  truncateSync(join(home.runDirectory(cut, 1), RUN_FILES.output), 3);
  rmSync(join(home.runDirectory(missing, 1), RUN_FILES.exit));
  rmSync(home.runDirectory(gone, 1), { recursive: true });
  return [
    ...damages,
    { kind: 'output', name: cut },
    { kind: 'exit', name: missing },
    { kind: 'run-directory', name: gone },
  ];
}

const KEPT_OF_A_RUN: ReadonlySet<string> = new Set([
  'spec',
  'claim',
  'agent',
  'exit',
  'limits',
  'sentinel',
  'output',
  'stderr',
]);

/** Damages what is kept of jobs and repositories beside runs. */
export function damageKept({ home }: World, { one, told }: Past, repository: string): Damage[] {
  flipMiddle(home.transcript(told[0]));
  rmSync(home.transcript(told[1]));
  const [changed = '', missing = ''] = one.files;
  flipMiddle(changed);
  rmSync(missing);
  const [gated] = one.gated;
  const [kept = ''] = readdirSync(home.evidence(gated));
  flipMiddle(join(home.evidence(gated), kept));
  const objects = join(home.mirror(repository), 'objects');
  const names = readdirSync(objects, { recursive: true, encoding: 'utf8' });
  const object = names.find((name) => name.endsWith('.pack')) ?? names.find((name) => /^..\/[0-9a-f]{38}$/.test(name));
  flipMiddle(join(objects, object ?? ''));
  return [
    { kind: 'transcript', name: told[0] },
    { kind: 'transcript', name: told[1] },
    { kind: 'upload', name: relative(home.root, changed) },
    { kind: 'upload', name: relative(home.root, missing) },
    { kind: 'evidence', name: join(gated, 'evidence', kept) },
    { kind: 'mirror', name: 'lib' },
  ];
}

/** Damages the files of the home itself. */
export function damageFiles({ home }: World): Damage[] {
  flip(home.hostFile, 9);
  flip(home.tokenFile, 12);
  flipMiddle(home.statisticsFile);
  flipMiddle(home.callbackSecretFile);
  writeFileSync(home.retentionFile, '{');
  writeFileSync(home.serverFile, '{"url":');
  writeFileSync(home.startMarker, 'no JSON');
  return [
    { kind: 'host-file', name: 'host', mended: true },
    { kind: 'token-file', name: 'token', mended: true },
    { kind: 'statistics-file', name: 'statistics.json', mended: true },
    { kind: 'callback-secret', name: 'callback-secret.json', mended: true },
    { kind: 'retention-file', name: 'retention.json', mended: true },
    { kind: 'server-file', name: 'server.json', mended: true },
    { kind: 'start-marker', name: 'starting.json', mended: true },
  ];
}

/** The witness alone: where the count of events is damaged too, two of three do not agree, and nothing is started on that. */
export function damageWitness({ home }: World): Damage[] {
  writeFileSync(join(home.root, 'holdfast.witness'), 'no witness');
  return [{ kind: 'witness', name: 'holdfast.witness', mended: true }];
}
