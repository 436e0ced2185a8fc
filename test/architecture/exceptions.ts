/**
 * Every known breach of the rules, with the reason it stays. This list may only shrink: an exception that no longer
 * hides anything fails the test.
 */
import type { Rule } from './judge.ts';

export interface Exception {
  path: string;
  rule: Rule;
  reason: string;
}

export const EXCEPTIONS: readonly Exception[] = [
  {
    path: 'src/kernel/failpoints.ts',
    rule: 'signals',
    reason: 'a failpoint kills or stops the process it is in; no other process can be named there',
  },
  {
    path: 'src/server/detach.ts',
    rule: 'child processes',
    reason: 'starts this very program as a detached server: neither an agent (keeper) nor git (workspace)',
  },
  {
    path: 'src/store/sqlite/witness.ts',
    rule: 'file writes',
    reason: 'two slots of a fixed size are overwritten in place and flushed: a rename per commit would cost two fsyncs',
  },
  {
    path: 'src/keeper/program/exit-record.ts',
    rule: 'file writes',
    reason: 'the record goes into space reserved and flushed before, because a full disk must not lose an exit code',
  },
  {
    path: 'src/keeper/program/heartbeat.ts',
    rule: 'file writes',
    reason: 'the sentinel is diagnostic: it is replaced every five seconds and need not survive a power cut',
  },
  {
    path: 'src/keeper/program/log.ts',
    rule: 'file writes',
    reason: 'a log of the last resort: it is appended to, and nothing is decided by it',
  },
  {
    path: 'src/workspace/file-system.ts',
    rule: 'file writes',
    reason: 'probes whether the file system can share blocks, with a file it removes again',
  },
  {
    path: 'src/agents/scripted-agent.ts',
    rule: 'file writes',
    reason: 'a program of its own, run as an agent: what it writes is the work of an agent',
  },
  {
    path: 'src/agents/scripted-agent.ts',
    rule: 'wall clock',
    reason: 'a program of its own, run as an agent: it notes its starts for the tests that count them',
  },
  {
    path: 'src/agents/scripted-steps.ts',
    rule: 'file writes',
    reason: 'a program of its own, run as an agent: what it writes is the work of an agent',
  },
  {
    path: 'src/agents/scripted-steps.ts',
    rule: 'child processes',
    reason: 'a program of its own, run as an agent: it starts tools the way agents do',
  },
];
