import { planOf } from '../../lifecycle/plan.ts';
import type { Plan } from '../../lifecycle/stage.ts';
import { REPOSITORIES } from './entities.ts';
import { toRecord } from './records.ts';
import type { Session } from './session.ts';

/** Returns what a job of the repository must pass as it is registered in this transaction; null for one that is not. */
export function readPlan(session: Session, repository: string): Plan | null {
  const row = session.sql.get(`SELECT ${REPOSITORIES.select} FROM repositories WHERE name = $1`, repository);
  return row === null ? null : planOf(toRecord(REPOSITORIES, row));
}
