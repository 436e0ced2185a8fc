/** `job_others`: which jobs name a repository beside their first one. A copy of what their rows say, kept by triggers. */
import type { Sql } from './sql.ts';

/** What the rows of jobs say; one that cannot be read is found with its chain. */
const SAID = `SELECT o.value AS repository, j.number AS number FROM jobs AS j, json_each(j.others) AS o
  WHERE j.others IS NOT NULL AND json_valid(j.others)`;
const KNOWN = 'SELECT repository, number FROM job_others';

/** Returns what is wrong with the copy, in words, or null. */
export function compareOthers(sql: Sql): string | null {
  const count = (query: string): number => Number(sql.get(`SELECT count(*) AS n FROM (${query})`)?.['n']);
  const missing = count(`${SAID} EXCEPT ${KNOWN}`);
  const strange = count(`${KNOWN} EXCEPT ${SAID}`);
  return missing + strange === 0 ? null : `${missing} entries are missing, ${strange} are of no job`;
}

/** Makes the copy anew. */
export function restoreOthers(sql: Sql): void {
  sql.run('DELETE FROM job_others');
  sql.run(`INSERT INTO job_others (repository, number) ${SAID}`);
}
