import { join } from 'node:path';
import { isId } from '../../kernel/ids.ts';
import { readIfExists } from '../../kernel/durable.ts';
import type { Orphan } from '../../lifecycle/orphan.ts';
import type { Repository } from '../../lifecycle/repository.ts';
import { ageOf, describeOrphan, findTemps, inParts, listEntries, lookAt, YOUNG_MS, type Look } from './look.ts';

const SCRATCH = /^scratch\.(\d+)-[0-9a-f]{12}\.\d+$/;
const UNFINISHED = /^mirror\.git\.[\w.-]+$/;
/** Everything a job saves in a mirror lies below this. */
const SAVED = 'refs/holdfast/';

/** Compares the directories of repositories with their rows, and looks into those that have one. */
export async function* findInRepositories(look: Look): AsyncGenerator<Orphan> {
  const { store, home } = look.ctx;
  const rows = new Map((await store.listRepositories()).map((row) => [row.id, row]));
  const locked = new Set((await store.listLocks()).map((lock) => lock.key));
  const unknown: string[] = [];
  for (const entry of await listEntries(home.repos)) {
    look.signal.throwIfAborted();
    const row = rows.get(entry.name);
    if (row === undefined) unknown.push(entry.name);
    else yield* findInRepository(look, row, locked.has(`repo:${row.name}`));
  }
  for (const part of inParts(unknown)) yield* findWithoutRow(look, part);
}

async function* findWithoutRow(look: Look, names: readonly string[]): AsyncGenerator<Orphan> {
  const removed = new Set(await look.ctx.store.findTombstones(names));
  for (const name of names) {
    const path = join(look.ctx.home.repos, name);
    const stat = await lookAt(path);
    if (stat === null || look.due.has(name)) continue;
    const ours = removed.has(name) && stat.isDirectory();
    const why = ours
      ? 'the repository of this id was removed'
      : isId('repo', name)
        ? 'no repository of this id was ever removed: it may hold work that another database knows of'
        : 'its name is not that of a repository';
    const note = 'no repository has this id';
    const ageMs = ageOf(look, stat);
    yield describeOrphan(look, { kind: 'repository-directory', path, ageMs, ours, why, action: 'remove', note });
  }
}

async function* findInRepository(look: Look, row: Repository, isLocked: boolean): AsyncGenerator<Orphan> {
  const directory = join(look.ctx.home.repos, row.id);
  const entries = await listEntries(directory);
  yield* findTemps(look, { directory, entries });
  for (const entry of entries) {
    if (!entry.isDirectory()) continue;
    const path = join(directory, entry.name);
    const stat = await lookAt(path);
    if (stat === null || ageOf(look, stat) < YOUNG_MS) continue;
    const pid = SCRATCH.exec(entry.name)?.[1];
    const isScratch = pid !== undefined && Number(pid) !== process.pid;
    if (!isScratch && !(UNFINISHED.test(entry.name) && !isLocked)) continue;
    yield describeOrphan(look, {
      kind: 'scratch',
      path,
      ageMs: ageOf(look, stat),
      ours: true,
      why: isScratch
        ? `it has the name of scratch of process ${pid}, and no other server serves this home`
        : `it has the name of an unfinished mirror of ${row.name}, which nobody makes`,
      action: 'remove',
      note: 'left by a git command that was cut off',
    });
  }
  yield* findRefs(look, row);
}

/** Refs of jobs that have no row. Read from the files: a look starts no process. */
async function* findRefs(look: Look, row: Repository): AsyncGenerator<Orphan> {
  const mirror = look.ctx.home.mirror(row.id);
  const owners = new Set((await listEntries(join(mirror, SAVED))).map(({ name }) => name));
  const packed = (await readIfExists(join(mirror, 'packed-refs')))?.toString('latin1') ?? '';
  for (const [, owner] of packed.matchAll(/^[0-9a-f]+ refs\/holdfast\/([^/\n]+)\//gm)) owners.add(owner ?? '');
  for (const part of inParts([...owners].toSorted())) {
    const known = new Set(await look.ctx.store.findJobIds(part));
    for (const owner of part) {
      if (known.has(owner)) continue;
      const ours = isId('job', owner);
      yield describeOrphan(look, {
        kind: 'ref',
        path: mirror,
        identity: `${SAVED}${owner}`,
        jobId: ours ? owner : null,
        ours,
        why: ours ? 'only Holdfast writes here, and no job has this id' : 'it is not below the id of a job',
        action: 'delete-refs',
        note: 'work that was saved; look at it before you name it for removal',
      });
    }
  }
}
