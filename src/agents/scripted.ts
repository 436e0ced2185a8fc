import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fail } from '../kernel/errors.ts';
import type { AgentAdapter, AgentEvent, FinalCause, Launch } from './adapter.ts';
import { outcomeByFinal } from './outcome.ts';
import { checkPrompt, refuseCommand } from './prompt.ts';
import { EVENT_PREFIX, chooseRound, parseScenario } from './scenario.ts';

/** Our own agent program, beside this file: `.ts` in a checkout, `.js` once built. */
const PROGRAM = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? './scripted-agent.ts' : './scripted-agent.js', import.meta.url),
);

/** Agent `scripted`: plays the JSON scenario given as its prompt, in a session that can be resumed. */
export function createScriptedAdapter(): AgentAdapter {
  return {
    id: 'scripted',
    capabilities: {
      assignSessionId: true,
      resume: true,
      requiresFinalEvent: true,
      mergeStderr: false,
      restartsFromScratch: false,
      plainOutput: true,
    },
    versionCommand: () => null,
    validate: ({ prompt, command }) => {
      refuseCommand('scripted', command);
      checkPrompt(prompt);
      parseScenario(prompt);
    },
    command: (launch) => {
      const session = sessionOf(launch);
      const path = join('.scripted', `${session}.scenario.json`);
      return {
        argv: [...program(launch), `--session=${session}`, `--scenario=${join(launch.home, path)}`, ...round(launch)],
        env: {},
        files: [{ path, content: chooseRound(launch.accepted ?? launch.prompt, launch.task) }],
      };
    },
    resumeCommand: (resume) => {
      const session = sessionOf(resume);
      const argv = [...program(resume), `--resume=${session}`, `--continue=${resume.continuation}`];
      const next = round(resume);
      if (next.length === 0) return { argv, env: {}, files: [] };
      const path = join('.scripted', `${session}.next.json`);
      return {
        argv: [...argv, ...next, `--scenario=${join(resume.home, path)}`],
        env: {},
        files: [{ path, content: chooseRound(resume.accepted ?? resume.prompt, resume.task) }],
      };
    },
    parseEvent: (line) => [parseScriptedEvent(line)],
    outcome: outcomeByFinal,
  };
}

function program(launch: Launch): string[] {
  const review = launch.task?.question === undefined ? [] : [`--review=${launch.task.question}`];
  const blocked = launch.task?.blockedFile === undefined ? [] : [`--blocked=${launch.task.blockedFile}`];
  return [...(launch.settings.command ?? [process.execPath, PROGRAM]), `--home=${launch.home}`, ...review, ...blocked];
}

/** Names the round a session is asked for, so that one that was cut off in it goes on where it was. */
function round({ task }: Launch): string[] {
  return task === undefined || task.kind === 'work' ? [] : [`--round=${task.name}`];
}

function sessionOf(launch: Launch): string {
  // It becomes a file name, in the agent's HOME and here.
  if (launch.sessionId === null || !/^[\w-]{1,128}$/.test(launch.sessionId)) {
    throw fail('internal', `"${String(launch.sessionId)}" cannot be a session id of agent scripted`);
  }
  return launch.sessionId;
}

const CAUSES: readonly string[] = ['api', 'interrupted', 'unresumable'] satisfies FinalCause[];

/** Reads one complete line of the program's output; what is not an event of ours is `other`. */
function parseScriptedEvent(line: string): AgentEvent {
  if (!line.startsWith(EVENT_PREFIX)) return { kind: 'other' };
  let fields: Record<string, unknown>;
  try {
    fields = JSON.parse(line) as Record<string, unknown>;
  } catch {
    return { kind: 'other' };
  }
  const text = (key: string): string => (typeof fields[key] === 'string' ? fields[key] : '');
  const number = (key: string): number => (typeof fields[key] === 'number' ? fields[key] : 0);
  switch (fields['holdfast']) {
    case 'session':
      return { kind: 'session', id: text('id') };
    case 'tool-start':
      return { kind: 'tool-start', id: text('id'), name: text('name'), input: fields['input'] };
    case 'tool-end':
      return { kind: 'tool-end', id: text('id'), ok: fields['ok'] === true };
    case 'progress': {
      const percent = typeof fields['percent'] === 'number' ? fields['percent'] : null;
      return { kind: 'progress', percent, message: text('message') };
    }
    case 'retry': {
      const status = typeof fields['status'] === 'number' ? { status: fields['status'] } : {};
      return { kind: 'retry', attempt: number('attempt'), delayMs: number('delayMs'), ...status };
    }
    case 'error':
      return { kind: 'error', fatal: fields['fatal'] === true, message: text('message') };
    case 'final': {
      const cause = CAUSES.includes(text('cause')) ? { cause: text('cause') as FinalCause } : {};
      return { kind: 'final', ok: fields['ok'] === true, text: text('text'), reason: text('reason'), ...cause };
    }
    default:
      return { kind: 'other' };
  }
}
