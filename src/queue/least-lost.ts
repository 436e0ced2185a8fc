/** A job at work, as far as it matters which one to stop first. */
export interface AtWork {
  jobId: string;
  /** When its attempt began, milliseconds since 1970. */
  since: number;
  /** Whether stopping it costs all it did: it starts from scratch, because its agent cannot take a session up again. */
  losesAll: boolean;
}

/**
 * Returns the jobs in the order in which stopping them loses least: those that go on in their session first, the youngest
 * of them before the others; then those that start afresh, by how long they have worked.
 */
export function orderByLoss(jobs: readonly AtWork[]): AtWork[] {
  return jobs.toSorted((a, b) => Number(a.losesAll) - Number(b.losesAll) || b.since - a.since);
}
