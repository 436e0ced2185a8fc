/** The part of the store contract about the ledger: results of gates, and the evidence they rest on. */
import type { RefusalRecord } from '../lifecycle/refusal.ts';
import type { EvidenceRecord, GateRecord } from '../lifecycle/stage.ts';

/** A result that is recorded with the end of its stage; job, epoch and time are the store's to add. */
export type NewGate = Pick<GateRecord, 'stage' | 'gate' | 'result' | 'why' | 'candidate' | 'attempt' | 'evidence'> &
  Partial<Pick<GateRecord, 'summary'>>;

/** Evidence whose file is durable under its hash already. */
export type NewEvidence = Pick<EvidenceRecord, 'sha256' | 'kind' | 'name' | 'bytes' | 'attempt'>;

/** What a stage produced. */
export interface StageResults {
  gate: NewGate | null;
  evidence: readonly NewEvidence[];
  /** A verdict that did not count, because nobody asked for it or no longer. */
  refused?: NewRefusedVerdict | null;
}

export type NewRefusedVerdict = Pick<RefusalRecord, 'word' | 'gate' | 'why'> & { attempt: number };

export interface LedgerStore {
  /** All results of a job, oldest first. */
  listGates(jobId: string): Promise<GateRecord[]>;
  /** All evidence of a job, oldest first. */
  listEvidence(jobId: string): Promise<EvidenceRecord[]>;
  /**
   * Results of a job that were refused, oldest first. `settleAttempt`, and a `moveJob` by an owner that says how something
   * ended, record their own refusal before they throw it; one for each attempt and word (lifecycle/refusal.ts).
   */
  listRefusals(jobId: string): Promise<RefusalRecord[]>;
}
