/**
 * What the rest of Holdfast knows of an agent command line. An adapter builds argument lists, reads the agent's own
 * events, and says what they amount to; it starts nothing and touches no state.
 */
import type { StageTask } from '../lifecycle/stage.ts';

/** What an agent said, reduced to what matters here. Unknown lines become `other`. */
export type AgentEvent =
  | { kind: 'session'; id: string }
  | { kind: 'text'; text: string; delta?: boolean }
  | { kind: 'tool-start'; id: string; name: string; input?: unknown }
  | { kind: 'tool-end'; id: string; ok: boolean; result?: string }
  | { kind: 'retry'; attempt: number; delayMs: number; status?: number }
  | { kind: 'usage'; input: number; output: number; costUsd?: number }
  | { kind: 'progress'; percent: number | null; message: string }
  | { kind: 'final'; ok: boolean; text?: string; reason?: string; cause?: FinalCause }
  | { kind: 'error'; fatal: boolean; message: string }
  | { kind: 'other' };

/** Why a final event is not ok, where that changes what happens next; absent when the work itself failed. */
export type FinalCause = 'api' | 'interrupted' | 'unresumable';

/**
 * What all events of one attempt amount to. Bounded whatever the agent prints, and enough for `outcome`, so that
 * nobody keeps the events themselves.
 */
export interface Summary {
  sessionId: string | null;
  /** The agent's last word; null again when it went on working after it. */
  final: { ok: boolean; text: string | null; reason: string | null; cause: FinalCause | null } | null;
  lastError: { fatal: boolean; message: string } | null;
  /** The retry the agent is in ("waiting for the model"); null again once the model answers. */
  lastRetry: { attempt: number; delayMs: number; status: number | null } | null;
  /** Retries so far. */
  retries: number;
  /** Tool calls that started and have no end yet, oldest first; at most the newest 64. */
  openTools: { id: string; name: string }[];
  /** Totals of this attempt; `costUsd` is null as long as no cost was told. */
  usage: { input: number; output: number; costUsd: number | null };
  progress: { percent: number | null; message: string } | null;
  /** End of what the agent said last; at most 4 KiB. */
  lastText: string | null;
}

export type AgentOutcome = 'success' | 'agent-error' | 'api-error' | 'interrupted' | 'unresumable';

/**
 * How the process ended; `unknown` when only its output is left. Whoever settles the job looks at `stoppedBy` first: a
 * limit or a stop of ours has its own result, and the outcome only says whether the agent had finished before it.
 */
export type AgentExit =
  | {
      code: number | null;
      signal: string | null;
      stoppedBy: string | null;
      /** End of stderr where that lies apart; an engine that refuses a session may say so only there. */
      stderr?: string;
    }
  | 'unknown';

declare const nonEmpty: unique symbol;
/** Text proved not to be empty: every engine refuses an empty nudge on resume. */
export type NonEmptyString = string & { readonly [nonEmpty]: true };

export interface Launch {
  prompt: string;
  /** The text of the job as it was accepted, when `prompt` says more than that. */
  accepted?: string;
  /**
   * What is asked for in a stage of a pipeline, and for which time, and a reviewer's question as JSON; absent is the work
   * itself. `name` is the same for every process that carries out the same round, and for no other of the job.
   */
  task?:
    | { kind: StageTask; round: number; name: string; question?: string | undefined; blockedFile?: string | undefined }
    | undefined;
  /** argv of agent `exec`. */
  command: string[] | null;
  /** Absolute path of the workspace. */
  cwd: string;
  /** Absolute path of the agent's HOME. */
  home: string;
  /** Present when `capabilities.assignSessionId`. */
  sessionId: string | null;
  /** Whether what the repository configures for the agent may act: its hooks, tools and variables. Absent is no. */
  trusted?: boolean;
  /** Settings of `agents.<name>` in the configuration. */
  settings: AgentSettings;
}

export interface Resume extends Launch {
  sessionId: string;
  continuation: NonEmptyString;
}

export interface AgentSettings {
  /** How an agent of a name of your own is driven (see the registry); built-in names have theirs. */
  adapter?: 'exec' | 'claude-code';
  /** Command that replaces the adapter's own (`claude`, …), as argv. */
  command?: string[];
  /**
   * Extra variables for the agent's environment; the only way a secret gets there. Never part of an `Invocation`: the
   * caller hands them to the keeper as secrets, and they win over the adapter's own variables.
   */
  env?: Record<string, string>;
  model?: string;
}

export interface Invocation {
  argv: string[];
  /** Added to the allowlisted environment. */
  env: Record<string, string>;
  /** Written before the start, 0600, relative to `home`. */
  files: { path: string; content: string }[];
}

export interface AgentAdapter {
  readonly id: string;
  readonly capabilities: {
    /** We choose the session id, so it is durable before the process starts. */
    assignSessionId: boolean;
    resume: boolean;
    /** A `final` event is required for success; without it exit 0 means interrupted. */
    requiresFinalEvent: boolean;
    /** stderr goes into `output`, in order. */
    mergeStderr: boolean;
    /** An interrupted attempt restarts from the tree it started with, unless asked to continue. */
    restartsFromScratch: boolean;
    /** What is no event in its output is meant for people. */
    plainOutput: boolean;
  };
  /** argv that prints the version of the installed command, or null when there is nothing to install. */
  versionCommand(settings: AgentSettings): string[] | null;
  /** Refuses a job this agent cannot take with `bad-request`, `bad-prompt` or `unknown-agent`. */
  validate(job: { prompt: string; command: string[] | null }): void;
  command(launch: Launch): Invocation;
  /** Throws when `capabilities.resume` is false. */
  resumeCommand(resume: Resume): Invocation;
  /** Pure; one complete line (never a torn last one). */
  parseEvent(line: string): AgentEvent[];
  /** What an ended attempt amounts to; the final event decides, the exit code only confirms. */
  outcome(seen: Summary, exit: AgentExit): AgentOutcome;
}
