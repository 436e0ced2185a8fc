import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { NewJobBody } from '../../api/contract.ts';
import { writeDurable } from '../../kernel/durable.ts';

/** Lines the process prints at least. */
const LINES = 20;
/** It never prints more, should nobody release it: one minute. */
const MOST_LINES = 400;
/** Lines seen before the server is killed: well after the start, well before the end. */
const KILL_AFTER_LINES = 7;

/** What is run in the demo, and how it is known from outside what it did. */
export interface Play {
  title: string;
  job: Pick<NewJobBody, 'agent' | 'prompt' | 'command'>;
  /** Whether enough was printed for the server to be killed now. */
  isUnderWay(printed: Buffer): boolean;
  /** Bytes that must be added while no server runs, to show that the work goes on. */
  growthBytes: number;
  /** Lets it come to its end: called once the second server has it, which takes long on a busy machine. */
  release(): Promise<void>;
  /** One line for people, or null to show nothing. */
  show(line: string): string | null;
  /** How often it started, counted by itself; null when it cannot tell. */
  countStarts(): Promise<number | null>;
  /** What it printed, kept by itself outside of the home; null when it cannot tell. */
  readWitness(): Promise<Buffer | null>;
}

/**
 * Counts its own starts and keeps its own copy of every line before it prints it, both in `$1`, outside of anything
 * Holdfast manages; meanwhile it edits files of the repository it works in.
 */
const SCRIPT = `
set -eu
echo "$$" >>"$1/starts"
say() { printf '%s\\n' "$1" >>"$2/printed"; printf '%s\\n' "$1"; }
i=0
while [ "$i" -lt ${LINES} ] || { [ "$i" -lt ${MOST_LINES} ] && [ ! -e "$1/release" ]; }; do
  i=$((i + 1))
  printf 'Greeting %d: hello, hello.\\n' "$i" >>greetings.md
  say "$(printf 'wrote greeting %2d into greetings.md' "$i")" "$1"
  sleep 0.15
done
printf '\\nSee greetings.md.\\n' >>README.md
`;

/** Returns the play of a real process that edits files and prints. */
export function playCommand(witnessDir: string): Play {
  return {
    title: 'a process that edits files and prints as it goes',
    job: { agent: 'exec', command: ['/bin/sh', '-c', SCRIPT, 'demo-agent', witnessDir] },
    isUnderWay: (printed) => printed.toString('utf8').split('\n').length > KILL_AFTER_LINES,
    growthBytes: 3 * 'wrote greeting  1 into greetings.md\n'.length,
    release: () => writeDurable(join(witnessDir, 'release'), ''),
    show: (line) => line,
    countStarts: async () => (await readFile(join(witnessDir, 'starts'), 'utf8')).trim().split('\n').length,
    readWitness: () => readFile(join(witnessDir, 'printed')),
  };
}

const PROMPT =
  'Use the shell to append the lines "greeting 1" to "greeting 20" to greetings.md, one command per line, ' +
  'with `sleep 1` after each. Then add a sentence about greetings.md to README.md. Do nothing else.';

/** Returns the play of the real Claude Code, by the command `claude` of this machine. */
export function playClaudeCode(): Play {
  return {
    title: 'Claude Code, asked to write 20 greetings',
    job: { agent: 'claude-code', prompt: PROMPT },
    isUnderWay: (printed) => printed.includes('"tool_use"'),
    growthBytes: 1,
    release: async () => undefined,
    show: describeEvent,
    countStarts: async () => null,
    readWitness: async () => null,
  };
}

/** One word or two about a line of the agent's event stream. */
function describeEvent(line: string): string | null {
  try {
    const event = JSON.parse(line) as { type?: unknown; subtype?: unknown };
    if (typeof event.type !== 'string') return null;
    return typeof event.subtype === 'string' ? `${event.type} ${event.subtype}` : event.type;
  } catch {
    return null;
  }
}

/** Variables with which the user's Claude Code finds its model; the demo hands on these and no others. */
const CLAUDE_VARIABLES = ['ANTHROPIC_API_KEY', 'ANTHROPIC_AUTH_TOKEN', 'ANTHROPIC_BASE_URL', 'CLAUDE_CODE_OAUTH_TOKEN'];

/** Returns the configuration of the demo's home: for Claude Code, the user's own way to its model. */
export function configurationFor(agent: string, env: NodeJS.ProcessEnv): object | null {
  if (agent !== 'claude-code') return null;
  const given = CLAUDE_VARIABLES.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]]));
  return { agents: { 'claude-code': { env: Object.fromEntries(given) as Record<string, string> } } };
}
