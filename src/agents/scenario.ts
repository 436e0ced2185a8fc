/**
 * The scenario that agent `scripted` plays: its prompt, read strictly. Every step is an object with exactly one key;
 * what is not understood is refused with the number of the step, so that a typing mistake never passes as a run.
 */
import { fail } from '../kernel/errors.ts';
import type { StageTask } from '../lifecycle/stage.ts';

/**
 * Lines of the program's output that begin so are its events. It never lets anything it prints begin so: text cannot
 * pass for an event.
 */
export const EVENT_PREFIX = '{"holdfast":"';

/** Something that goes on writing by itself: a command, or lines `tick <n> pid <pid>` appended to a file. */
export type Work = { argv: string[] } | { path: string; tickMs: number; times: number };

type Fields = Record<string, unknown>;

export type Step =
  | { kind: 'print'; text: string }
  | { kind: 'printErr'; text: string }
  | { kind: 'sleepMs'; ms: number }
  | { kind: 'busyMs'; ms: number }
  | { kind: 'write'; path: string; content: string }
  | { kind: 'append'; path: string; content: string }
  | { kind: 'tool'; work: Work; newSession: boolean }
  | { kind: 'daemonise'; work: Work }
  | { kind: 'commit'; message: string }
  | { kind: 'progress'; percent: number | null; message: string }
  | { kind: 'retry'; attempt: number; delayMs: number; status: number | null }
  | { kind: 'ignoreSigterm' }
  | { kind: 'fail'; message: string; api: boolean }
  | { kind: 'exit'; code: number }
  | { kind: 'vanish'; code: number }
  | { kind: 'verdict'; fields: Fields }
  | { kind: 'block'; reason: string };

export interface Scenario {
  /** File below the workspace that gets one line per start of the agent; null: `.holdfast-starts` in its HOME. */
  startsFile: string | null;
  steps: Step[];
  /** What is played instead when a pipeline asks for something else, for the first time, the second, and so on. */
  tasks: { [K in OtherTask]?: Step[][] };
}

export const OTHER_TASKS = ['commit', 'fix', 'resolve', 'review'] as const satisfies readonly StageTask[];
export type OtherTask = (typeof OTHER_TASKS)[number];

const MAX_STEPS = 10_000;
const DAY_MS = 86_400_000;

/** How each step is read from the value of its key; throws a plain Error that says what is wrong. */
const READERS: { [K in Step['kind']]: (value: unknown) => Extract<Step, { kind: K }> } = {
  print: (value) => ({ kind: 'print', text: readText(value, 'the text') }),
  printErr: (value) => ({ kind: 'printErr', text: readText(value, 'the text') }),
  sleepMs: (value) => ({ kind: 'sleepMs', ms: readNumber(value, 'the time', DAY_MS) }),
  busyMs: (value) => ({ kind: 'busyMs', ms: readNumber(value, 'the time', DAY_MS) }),
  write: (value) => ({ kind: 'write', ...readFile(value) }),
  append: (value) => ({ kind: 'append', ...readFile(value) }),
  tool: (value) => {
    const { newSession = true, ...work } = readFields(value, ['argv', 'path', 'tickMs', 'times', 'newSession']);
    if (typeof newSession !== 'boolean') throw new Error('newSession must be true or false');
    return { kind: 'tool', work: readWork(work), newSession };
  },
  daemonise: (value) => ({
    kind: 'daemonise',
    work: readWork(readFields(value, ['argv', 'path', 'tickMs', 'times'])),
  }),
  commit: (value) => ({ kind: 'commit', message: readText(value, 'the message', 1) }),
  progress: (value) => {
    const { percent = null, message = '' } = readFields(value, ['percent', 'message']);
    return {
      kind: 'progress',
      percent: percent === null ? null : readNumber(percent, 'percent', 100),
      message: readText(message, 'message'),
    };
  },
  retry: (value) => {
    const { attempt = 1, delayMs = 0, status = null } = readFields(value, ['attempt', 'delayMs', 'status']);
    return {
      kind: 'retry',
      attempt: readInteger(attempt, 'attempt', 1000),
      delayMs: readNumber(delayMs, 'delayMs', DAY_MS),
      status: status === null ? null : readInteger(status, 'status', 999),
    };
  },
  ignoreSigterm: (value) => {
    if (value !== true) throw new Error('the value must be true');
    return { kind: 'ignoreSigterm' };
  },
  fail: (value) => {
    if (typeof value === 'string') return { kind: 'fail', message: readText(value, 'the message'), api: false };
    const { message, api = false } = readFields(value, ['message', 'api']);
    if (typeof api !== 'boolean') throw new Error('api must be true or false');
    return { kind: 'fail', message: readText(message, 'message'), api };
  },
  exit: (value) => ({ kind: 'exit', code: readInteger(value, 'the code', 255) }),
  vanish: (value) => ({ kind: 'vanish', code: readInteger(value, 'the code', 255) }),
  block: (value) => ({ kind: 'block', reason: readText(value, 'the reason') }),
  verdict: (value) => {
    if (value === null || typeof value !== 'object' || Array.isArray(value)) throw new Error('it must be an object');
    return { kind: 'verdict', fields: value as Fields };
  },
};

/** The keys a step may have. */
export const STEP_KINDS = Object.keys(READERS) as Step['kind'][];

/** Reads a scenario from the text of a prompt; throws `bad-prompt` that names what is wrong and in which step. */
export function parseScenario(prompt: string): Scenario {
  const hint = 'Send a scenario like {"steps":[{"print":"hello"},{"exit":0}]}.';
  let value: unknown;
  try {
    value = JSON.parse(findScenario(prompt));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw fail('bad-prompt', `the scenario is not JSON: ${why}`, { hint });
  }
  try {
    const { steps, startsFile = null, tasks = {} } = readFields(value, ['steps', 'startsFile', 'tasks']);
    return {
      startsFile: startsFile === null ? null : readPath(startsFile, 'startsFile'),
      steps: readSteps(steps, 'steps'),
      tasks: readTasks(tasks),
    };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw fail('bad-prompt', `the scenario is not valid: ${why}`, { hint });
  }
}

/** A scenario by itself, or in the fenced block `scenario` of a longer text such as a packet. */
function findScenario(prompt: string): string {
  return /^```scenario\n([\s\S]*?)\n```$/m.exec(prompt)?.[1] ?? prompt;
}

function readSteps(steps: unknown, name: string): Step[] {
  if (!Array.isArray(steps)) throw new Error(`"${name}" must be a list`);
  if (steps.length > MAX_STEPS) throw new Error(`it has ${steps.length} steps, at most ${MAX_STEPS} are played`);
  return steps.map(readStep);
}

function readTasks(value: unknown): Scenario['tasks'] {
  const tasks: Scenario['tasks'] = {};
  for (const [task, rounds] of Object.entries(readFields(value, OTHER_TASKS))) {
    if (!Array.isArray(rounds) || rounds.length === 0)
      throw new Error(`"tasks.${task}" must be a list of lists of steps`);
    tasks[task as OtherTask] = rounds.map((steps) => readSteps(steps, `tasks.${task}`));
  }
  return tasks;
}

/**
 * Returns the scenario that plays what is asked for in this round: the steps of that task, of which the last are played
 * again when it is asked for once more, or those of the work where it has none.
 */
export function chooseRound(prompt: string, task: { kind: StageTask; round: number } | undefined): string {
  if (task === undefined || task.kind === 'work') return prompt;
  const { steps, startsFile, tasks } = JSON.parse(findScenario(prompt)) as {
    steps: unknown;
    startsFile?: string;
    tasks?: Partial<Record<StageTask, unknown[]>>;
  };
  const rounds = tasks?.[task.kind];
  const chosen = rounds === undefined ? steps : rounds[Math.min(task.round, rounds.length) - 1];
  return JSON.stringify({ steps: chosen, ...(startsFile === undefined ? {} : { startsFile }) });
}

function readStep(value: unknown, index: number): Step {
  try {
    const [key, ...others] = Object.keys(readFields(value, STEP_KINDS));
    if (key === undefined) throw new Error('it is empty');
    if (others.length > 0) throw new Error(`it has several keys: ${[key, ...others].join(', ')}`);
    return READERS[key as Step['kind']]((value as Fields)[key]);
  } catch (error) {
    throw new Error(`step ${index + 1}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

function readFields(value: unknown, known: readonly string[]): Fields {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) throw new Error('it must be an object');
  const unknown = Object.keys(value).find((key) => !known.includes(key));
  if (unknown !== undefined) throw new Error(`unknown key "${unknown}"; known are ${known.join(', ')}`);
  return value as Fields;
}

function readText(value: unknown, name: string, minimum = 0): string {
  if (typeof value !== 'string' || value.length < minimum) throw new Error(`${name} must be a text`);
  return value;
}

function readNumber(value: unknown, name: string, maximum: number): number {
  if (typeof value !== 'number' || value < 0 || value > maximum) {
    throw new Error(`${name} must be a number from 0 to ${maximum}`);
  }
  return value;
}

function readInteger(value: unknown, name: string, maximum: number): number {
  const number = readNumber(value, name, maximum);
  if (!Number.isInteger(number)) throw new Error(`${name} must be a whole number`);
  return number;
}

function readFile(value: unknown): { path: string; content: string } {
  const { path, content } = readFields(value, ['path', 'content']);
  return { path: readPath(path, 'path'), content: readText(content, 'content') };
}

function readWork(fields: Fields): Work {
  const { argv, path, tickMs = 100, times = 100 } = fields;
  if (argv === undefined) {
    return {
      path: readPath(path, 'path'),
      tickMs: readNumber(tickMs, 'tickMs', DAY_MS),
      times: readInteger(times, 'times', 1_000_000),
    };
  }
  if (path !== undefined || fields['tickMs'] !== undefined || fields['times'] !== undefined) {
    throw new Error('it is either argv, or path with tickMs and times');
  }
  if (!isTextList(argv) || argv.length === 0 || argv[0] === '' || argv.some((word) => word.includes('\0'))) {
    throw new Error('argv must be a list of texts, the command first');
  }
  return { argv };
}

function isTextList(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((word) => typeof word === 'string');
}

/** A path below the workspace, by its form; symbolic links are dealt with when it is opened. */
function readPath(value: unknown, name: string): string {
  const path = readText(value, name, 1);
  const parts = path.split('/');
  if (path.includes('\0') || parts.some((part) => part === '' || part === '.' || part === '..')) {
    throw new Error(`${name} "${path.slice(0, 200)}" must be a plain relative path inside the workspace`);
  }
  return path;
}
