/**
 * Copies of what the rows of jobs say, kept by triggers: `job_others`, which jobs name a repository beside their first
 * one, and `job_after`, which jobs come after another one.
 */
import type { Sql } from './sql.ts';

interface Copy {
  table: string;
  columns: string;
  /** What the rows of jobs say; one that cannot be read is found with its chain. */
  said: string;
}

const COPIES: readonly Copy[] = [
  {
    table: 'job_others',
    columns: 'repository, number',
    said: `SELECT o.value AS repository, j.number AS number FROM jobs AS j, json_each(j.others) AS o
      WHERE j.others IS NOT NULL AND json_valid(j.others)`,
  },
  {
    table: 'job_after',
    columns: 'dependency, number',
    said: `SELECT o.value AS dependency, j.number AS number FROM jobs AS j, json_each(j.after) AS o
      WHERE j.after IS NOT NULL AND json_valid(j.after)`,
  },
];

/** Returns the copies that are wrong, by their table, with what is wrong in words. */
export function compareCopies(sql: Sql): { table: string; why: string }[] {
  const count = (query: string): number => Number(sql.get(`SELECT count(*) AS n FROM (${query})`)?.['n']);
  return COPIES.flatMap(({ table, columns, said }) => {
    const known = `SELECT ${columns} FROM ${table}`;
    const missing = count(`${said} EXCEPT ${known}`);
    const strange = count(`${known} EXCEPT ${said}`);
    return missing + strange === 0 ? [] : [{ table, why: `${missing} entries are missing, ${strange} are of no job` }];
  });
}

/** Makes a copy anew; nothing is done for a table that is none. */
export function restoreCopy(sql: Sql, table: string): void {
  const copy = COPIES.find((one) => one.table === table);
  if (copy === undefined) return;
  sql.run(`DELETE FROM ${copy.table}`);
  sql.run(`INSERT INTO ${copy.table} (${copy.columns}) ${copy.said}`);
}
