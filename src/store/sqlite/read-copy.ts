/** What a copy of the database refers to on disk, read page by page over a connection that cannot write. */
import { DatabaseSync } from 'node:sqlite';
import type { JobFile } from '../../lifecycle/job-file.ts';
import { isTerminal, type AttemptState, type JobState } from '../../lifecycle/transitions.ts';
import { JOB_FILES } from './entities.ts';
import { toRecord } from './records.ts';
import { Sql } from './sql.ts';

/** A job of a copy, with everything it refers to. */
export interface CopiedJob {
  id: string;
  number: number;
  isEnded: boolean;
  workspaceState: 'none' | 'preparing' | 'ready';
  transcriptSha256: string | null;
  /** Oldest first. */
  attempts: { id: string; number: number; isLive: boolean; outputBytes: number }[];
  files: JobFile[];
  /** sha256 of its evidence, each once. */
  evidence: string[];
}

/** An open copy; `close` it. */
export interface OpenCopy {
  countJobs(): number;
  /** By number. */
  jobs(): Generator<CopiedJob>;
  repositories(): { id: string; name: string }[];
  close(): void;
}

const PAGE = 200;
const LIVE: readonly AttemptState[] = ['intended', 'running'];

/** Opens a copy for reading. */
export function openCopy(path: string): OpenCopy {
  const database = new DatabaseSync(path, { readOnly: true });
  const sql = new Sql(database);
  return {
    countJobs: () => Number(sql.get('SELECT count(*) AS n FROM jobs')?.['n']),
    jobs: () => readJobs(sql),
    repositories: () =>
      sql
        .all('SELECT id, name FROM repositories ORDER BY id')
        .map((row) => ({ id: String(row['id']), name: String(row['name']) })),
    close: () => database.close(),
  };
}

function* readJobs(sql: Sql): Generator<CopiedJob> {
  for (let last = 0; ;) {
    const rows = sql.all(
      'SELECT id, number, state, workspace_state, transcript_sha256 FROM jobs WHERE number > $1 ORDER BY number LIMIT $2',
      last,
      PAGE,
    );
    for (const row of rows) {
      last = Number(row['number']);
      const id = String(row['id']);
      yield {
        id,
        number: last,
        isEnded: isTerminal(row['state'] as JobState),
        workspaceState: row['workspace_state'] as CopiedJob['workspaceState'],
        transcriptSha256: row['transcript_sha256'] === null ? null : String(row['transcript_sha256']),
        attempts: readAttempts(sql, id),
        files: sql
          .all(`SELECT ${JOB_FILES.select} FROM job_files WHERE job_id = $1 ORDER BY id`, id)
          .map((file) => toRecord(JOB_FILES, file)),
        evidence: sql
          .all('SELECT DISTINCT sha256 FROM evidence WHERE job_id = $1 ORDER BY sha256', id)
          .map((one) => String(one['sha256'])),
      };
    }
    if (rows.length < PAGE) return;
  }
}

function readAttempts(sql: Sql, jobId: string): CopiedJob['attempts'] {
  const text = 'SELECT id, number, state, output_bytes FROM attempts WHERE job_id = $1 ORDER BY number';
  return sql.all(text, jobId).map((row) => ({
    id: String(row['id']),
    number: Number(row['number']),
    isLive: LIVE.includes(row['state'] as AttemptState),
    outputBytes: Number(row['output_bytes']),
  }));
}
