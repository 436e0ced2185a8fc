/**
 * What the rest of Holdfast knows of an agent command line. An adapter builds argument lists, reads the agent's own
 * events, and says what they amount to; it starts nothing and touches no state.
 */

/** What an agent said, reduced to what matters here. Unknown lines become `other`. */
export type AgentEvent =
  | { kind: 'session'; id: string }
  | { kind: 'text'; text: string; delta?: boolean }
  | { kind: 'tool-start'; id: string; name: string; input?: unknown }
  | { kind: 'tool-end'; id: string; ok: boolean }
  | { kind: 'retry'; attempt: number; delayMs: number; status?: number }
  | { kind: 'usage'; input: number; output: number; costUsd?: number }
  | { kind: 'progress'; percent: number | null; message: string }
  | { kind: 'final'; ok: boolean; text?: string; reason?: string }
  | { kind: 'error'; fatal: boolean; message: string }
  | { kind: 'other' };

export type AgentOutcome = 'success' | 'agent-error' | 'api-error' | 'interrupted' | 'unresumable';

/** How the process ended; `unknown` when only its output is left. */
export type AgentExit = { code: number | null; signal: string | null; stoppedBy: string | null } | 'unknown';

declare const nonEmpty: unique symbol;
/** Text proved not to be empty: every engine refuses an empty nudge on resume. */
export type NonEmptyString = string & { readonly [nonEmpty]: true };

export interface Launch {
  prompt: string;
  /** argv of agent `exec`. */
  command: string[] | null;
  /** Absolute path of the workspace. */
  cwd: string;
  /** Absolute path of the agent's HOME. */
  home: string;
  /** Present when `capabilities.assignSessionId`. */
  sessionId: string | null;
  /** Settings of `agents.<name>` in the configuration. */
  settings: AgentSettings;
}

export interface Resume extends Launch {
  sessionId: string;
  continuation: NonEmptyString;
}

export interface AgentSettings {
  /** Command that replaces the adapter's own (`claude`, …), as argv. */
  command?: string[];
  /** Extra variables for the agent's environment; the only way a secret gets there. */
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
  outcome(seen: readonly AgentEvent[], exit: AgentExit): AgentOutcome;
}
