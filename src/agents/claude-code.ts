import { join } from 'node:path';
import { fail } from '../kernel/errors.ts';
import type { AgentAdapter, AgentExit, AgentOutcome, Summary, Invocation, Launch } from './adapter.ts';
import { parseClaudeEvents, UNRESUMABLE } from './claude-events.ts';
import { outcomeByFinal } from './outcome.ts';
import { checkPrompt, MAX_ARGUMENT_BYTES, refuseCommand } from './prompt.ts';

/** Where a prompt too long for one argument is put, relative to the agent's HOME. */
const PROMPT_FILE = '.holdfast-prompt.md';

/**
 * Claude Code, driven without a terminal. The session id is ours and is used for one start only: a second start with
 * it is refused by the command ("already in use") as soon as it kept a transcript, so an interrupted attempt resumes,
 * and where that is refused (`unresumable`) the next start is a cold one with a new id.
 * `uid` is the user the agent will run as: it refuses to skip permissions as root unless told that it is contained.
 */
export function createClaudeCodeAdapter(
  options: { id?: string; command?: readonly string[]; uid?: number | undefined } = {},
): AgentAdapter {
  const { id = 'claude-code', command = ['claude'], uid = process.getuid?.() } = options;
  const env = {
    DISABLE_AUTOUPDATER: '1',
    DISABLE_TELEMETRY: '1',
    DISABLE_ERROR_REPORTING: '1',
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
    ...(uid === 0 ? { IS_SANDBOX: '1' } : {}),
  };

  const invoke = (launch: Launch, session: string[], text: string): Invocation => {
    const isLong = Buffer.byteLength(text) > MAX_ARGUMENT_BYTES;
    const said = isLong
      ? `Your task is in the file ${join(launch.home, PROMPT_FILE)}. Read all of it, then do it.`
      : text;
    const model = launch.settings.model === undefined ? [] : ['--model', launch.settings.model];
    // Seen with 2.1.329: without a terminal nobody is asked for trust, hooks and MCP servers of the repository start, and
    // its `env` replaces the address the key is sent to. Its CLAUDE.md, which is only text, is still read.
    const sources = ['--setting-sources', 'user', '--strict-mcp-config', '--add-dir', launch.cwd];
    const format = ['--output-format', 'stream-json', '--verbose', '--dangerously-skip-permissions'];
    return {
      // The prompt comes last, behind `--`: one that begins with a dash must not become an option.
      argv: [
        ...(launch.settings.command ?? command),
        '-p',
        ...session,
        ...format,
        ...model,
        ...(launch.trusted === true ? [] : sources),
        '--',
        said,
      ],
      env: launch.trusted === true ? env : { ...env, CLAUDE_CODE_ADDITIONAL_DIRECTORIES_CLAUDE_MD: '1' },
      files: isLong ? [{ path: PROMPT_FILE, content: text }] : [],
    };
  };

  return {
    id,
    capabilities: {
      assignSessionId: true,
      resume: true,
      requiresFinalEvent: true,
      mergeStderr: false,
      restartsFromScratch: false,
      plainOutput: false,
    },
    versionCommand: (settings) => [...(settings.command ?? command), '--version'],
    validate: (job) => {
      refuseCommand(id, job.command);
      checkPrompt(job.prompt);
    },
    command: (launch) => invoke(launch, ['--session-id', sessionOf(launch)], launch.prompt),
    resumeCommand: (resume) => invoke(resume, ['--resume', sessionOf(resume)], resume.continuation),
    parseEvent: parseClaudeEvents,
    outcome: judgeOutcome,
  };
}

/** An id that was used before is refused on stderr only, before the first event. */
function judgeOutcome(seen: Summary, exit: AgentExit): AgentOutcome {
  const outcome = outcomeByFinal(seen, exit);
  const refused = seen.final === null && exit !== 'unknown' && exit.code === 1 && UNRESUMABLE.test(exit.stderr ?? '');
  return outcome === 'agent-error' && refused ? 'unresumable' : outcome;
}

function sessionOf(launch: Launch): string {
  if (launch.sessionId === null || !/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(launch.sessionId)) {
    throw fail('internal', `"${String(launch.sessionId)}" is not a session id for Claude Code, which takes a UUID`);
  }
  return launch.sessionId;
}
