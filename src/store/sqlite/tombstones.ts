import type { Session } from './session.ts';

/** Keeps the last hash of a chain whose row is about to go. */
export function buryChain(session: Session, subject: string, head: string): void {
  session.sql.run('INSERT INTO tombstones (subject, head, removed_at) VALUES ($1, $2, $3)', subject, head, session.at);
}
