/** Writes rows anew from their journal: where the chain is intact it is the truth, and the row is only its fold. */
import { readChain } from './journal.ts';
import { insertRecord, updateRecord } from './records.ts';
import { beginFold, findOwner, foldEvent } from './replay.ts';
import type { Session } from './session.ts';

/**
 * Makes the rows of a subject what its journal says; false when the journal itself is damaged or ends in a removal, and
 * then nothing is changed. No event is written: replaying the journal gives these rows already.
 */
export function restoreFromJournal(session: Session, subject: string): boolean {
  const fold = beginFold(subject);
  for (const event of readChain(session.sql, subject)) foldEvent(fold, event);
  const owner = findOwner(fold);
  if (fold.faults.length > 0 || fold.removed || owner === null) return false;
  for (const { entity, record } of fold.rows.values()) {
    const head = entity.noun === owner.noun ? fold.head : null;
    const update = { key: String(record[entity.key]), changes: record, head, guard: '', fence: null };
    if (!updateRecord(session.sql, entity, update)) insertRecord(session.sql, entity, { record, head });
  }
  // What memory knew of them is what was damaged.
  session.jobs.clear();
  session.attempts.clear();
  return true;
}
