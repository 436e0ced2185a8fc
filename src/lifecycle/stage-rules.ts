/**
 * What the stages of a pipeline ask the rules: pure functions of recorded facts. The room `pipeline` answers; those who
 * carry stages out are given the answers by the composition root.
 */
import type { EvidenceRecord, GateRecord, TestSummary } from './stage.ts';
import type { Decision, StageFacts } from './stage-decision.ts';
import type { GateResult, StageTask } from './stage.ts';

/** What a task is about, as far as the record tells. */
export interface TaskFacts {
  task: StageTask;
  /** The gate or the state that sent the job here, and why; null where nothing did. */
  gate: string | null;
  why: string | null;
  /** End of what that gate printed, or the findings of the reviewer; null where there is nothing. */
  evidence: string | null;
  /** What the tests of that gate told; null where they told nothing. */
  summary?: TestSummary | null;
  /** What a reviewer is asked about; null in every other task. */
  review: ReviewQuestion | null;
  /** Why a person had to send it back; absent where nobody did. */
  stopped?: string | undefined;
  /** The directory the work lay in before this one; absent where this is the first. */
  before?: { why: string; path: string | null } | undefined;
}

/** What a reviewer is asked about, and where its answer must lie. */
export interface ReviewQuestion {
  job: string;
  epoch: number;
  /** Commit it judges, and the one the work began at. */
  candidate: string;
  base: string;
  /** Known to this attempt alone: a file of an earlier review cannot answer it. */
  nonce: string;
  /** Absolute path of the verdict file. */
  file: string;
}

/** What a hand-off tells. */
export interface HandOffFacts {
  job: { id: string; number: number };
  /** First line of what was asked for. */
  title: string;
  repository: string;
  branch: string;
  base: { branch: string; commit: string };
  candidate: string;
  commits: number;
  /** Lines added and removed by file; null for binary ones. */
  files: readonly { path: string; added: number | null; removed: number | null }[];
  /** Results of the epoch that was handed off. */
  gates: readonly GateRecord[];
  evidence: readonly EvidenceRecord[];
  /** Of the patch; null where it would be too large. */
  patchSha256: string | null;
  transcriptSha256: string | null;
}

export interface StageRules {
  decide(facts: StageFacts): Decision;
  /** Returns the text an agent is given for the text that was accepted. Throws for a packet that cannot be read. */
  render(text: string, isPacket: boolean): string;
  /** Returns what the work is called, in one line: of a packet its title, else the first line of the text. */
  titleOf(text: string, isPacket: boolean): string;
  /** Returns the name of the branch the work is handed off as, without `refs/heads/`. */
  branchOf(job: { number: number; title: string }): string;
  /** Returns the report of a hand-off for programs and for people: the same facts give the same bytes. */
  report(facts: HandOffFacts): { json: string; markdown: string };
  /** Returns what an agent is told beside that text; null where the text says it all. */
  instruct(facts: TaskFacts): string | null;
  /** Returns what the tests of a gate told in what it printed, and in the reports it left; null where they told nothing. */
  summarise(told: { printed: Uint8Array | null; reports: readonly Uint8Array[] }): TestSummary | null;
  /** Returns what a verdict file means; `bytes` is null where there is none. */
  judgeReview(
    bytes: Uint8Array | null,
    question: Pick<ReviewQuestion, 'job' | 'epoch' | 'candidate' | 'nonce'>,
    leastScore: number,
  ): { result: GateResult; why: string; findings: string | null; refused: 'late' | 'unauthorised' | null };
}
