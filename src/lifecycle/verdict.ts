/**
 * What the evidence of one attempt means: a pure function of gathered facts, first match wins, row numbers as in the
 * table of the design. Gathering is elsewhere, so that every combination can be tested without a process.
 */

/** The exit record as the keeper wrote it. */
export interface ExitFacts {
  started: boolean;
  code: number | null;
  signal: string | null;
  execErrno: string | null;
  stoppedBy: string | null;
  reason: string | null;
  bytesOut: number;
  bytesErr: number;
}

export interface AttemptFacts {
  /** Row 0: which record is unreadable, of a wrong sum, an unknown version or another attempt; null when all is well. */
  bad: string | null;
  claim: 'none' | 'tombstone' | 'keeper';
  sameHost: boolean;
  sameBoot: boolean;
  sameNamespace: boolean;
  /** A keeper that claims to live in another pid namespace answers on the socket. */
  foreignKeeperAnswers: boolean;
  /** agent.json is there: the agent may have run. */
  agentRecorded: boolean;
  /** Whether the keeper answers on its socket or its identity is alive. */
  keeperAlive: boolean;
  agentAlive: boolean;
  /** Anything else that carries the attempt's token (or sits in its cgroup) is alive. */
  straysAlive: boolean;
  exit: ExitFacts | null;
  /** The adapter found its final event in the complete lines of the output. */
  finalResult: boolean;
  /** These facts were gathered again after the keeper was first seen dead. */
  lookedTwice: boolean;
}

export type Verdict =
  | { kind: 'QUARANTINE'; row: 0 | 11; why: string }
  | { kind: 'ENDING'; row: 1 }
  | { kind: 'STRAYS'; row: 2 | 15 }
  | { kind: 'NEVER_RAN'; row: 3 | 8 | 11 | 13; execErrno: string | null }
  | { kind: 'FINISHED'; row: 4; exit: ExitFacts }
  | { kind: 'NOT_STARTED'; row: 5 }
  | { kind: 'SEALED'; row: 6 }
  | { kind: 'FOREIGN'; row: 7 }
  | { kind: 'FINISHED_BY_OUTPUT'; row: 9 | 11 | 16 }
  | { kind: 'INTERRUPTED'; row: 9 | 11 | 17 }
  | { kind: 'RUNNING'; row: 10 }
  | { kind: 'LOOK_AGAIN'; row: 12 }
  | { kind: 'ORPHAN_RUNNING'; row: 14 };

export type VerdictKind = Verdict['kind'];

/** Returns the verdict on one attempt (03 · Verdict). */
export function judge(facts: AttemptFacts): Verdict {
  if (facts.bad !== null) return { kind: 'QUARANTINE', row: 0, why: facts.bad };
  if (facts.exit !== null) return judgeExit(facts, facts.exit);
  if (facts.claim === 'none') return { kind: 'NOT_STARTED', row: 5 };
  if (facts.claim === 'tombstone') return { kind: 'SEALED', row: 6 };
  if (!facts.sameHost) return { kind: 'FOREIGN', row: 7 };
  if (!facts.sameBoot)
    return facts.agentRecorded ? judgeByOutput(facts, 9) : { kind: 'NEVER_RAN', row: 8, execErrno: null };
  if (facts.sameNamespace && facts.keeperAlive) return { kind: 'RUNNING', row: 10 };
  if (!facts.sameNamespace) {
    if (facts.foreignKeeperAnswers) {
      return { kind: 'QUARANTINE', row: 11, why: 'its keeper lives in another pid namespace beside this server' };
    }
    return facts.agentRecorded ? judgeByOutput(facts, 11) : { kind: 'NEVER_RAN', row: 11, execErrno: null };
  }
  if (!facts.lookedTwice) return { kind: 'LOOK_AGAIN', row: 12 };
  if (!facts.agentRecorded) return { kind: 'NEVER_RAN', row: 13, execErrno: null };
  if (facts.agentAlive) return { kind: 'ORPHAN_RUNNING', row: 14 };
  if (facts.straysAlive) return { kind: 'STRAYS', row: 15 };
  return facts.finalResult ? { kind: 'FINISHED_BY_OUTPUT', row: 16 } : { kind: 'INTERRUPTED', row: 17 };
}

function judgeExit(facts: AttemptFacts, exit: ExitFacts): Verdict {
  if (facts.keeperAlive) return { kind: 'ENDING', row: 1 };
  if (facts.agentAlive || facts.straysAlive) return { kind: 'STRAYS', row: 2 };
  if (!exit.started) return { kind: 'NEVER_RAN', row: 3, execErrno: exit.execErrno };
  return { kind: 'FINISHED', row: 4, exit };
}

function judgeByOutput(facts: AttemptFacts, row: 9 | 11): Verdict {
  return facts.finalResult ? { kind: 'FINISHED_BY_OUTPUT', row } : { kind: 'INTERRUPTED', row };
}
