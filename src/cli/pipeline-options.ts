/** Options of `repo add|update` about the pipeline: reviewers, budgets, limits of gates. */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { InvalidArgumentError, type Command } from 'commander';
import { parseDuration } from '../kernel/duration.ts';
import { fail } from '../kernel/errors.ts';
import { messageOf } from '../kernel/result.ts';
import type { PipelineSettings } from '../lifecycle/repository.ts';
import { DEFAULT_BUDGETS, type Budgets, type Reviewer } from '../lifecycle/stage.ts';
import { cleanLine } from './sanitise.ts';
import { formatBytes } from './times.ts';
import { collect } from './words.ts';

export interface PipelineOptions {
  reviewer?: Reviewer[];
  reviewInstructions?: string[];
  clearReviewers?: boolean;
  budget?: Partial<Budgets>;
  gateTimeout?: number;
  gateIdle?: number;
  report?: string[];
}

/** Score a PASS must have where nothing else is said; that of the API. */
const LEAST_SCORE = 70;

/** Adds the options to a command. */
export function addPipelineOptions(command: Command): Command {
  const names = Object.keys(DEFAULT_BUDGETS).join(', ');
  return command
    .option(
      '--reviewer <name=agent[:score]>',
      `reviewer, and the least score of its PASS (default: ${LEAST_SCORE}); may be repeated`,
      addReviewer,
    )
    .option('--review-instructions <name=file>', 'what a reviewer is told beside the rest; may be repeated', collect)
    .option('--budget <name=n>', `budget: ${names}; may be repeated`, addBudget)
    .option('--gate-timeout <duration>', 'longest time one gate command may run', parseDuration)
    .option('--gate-idle <duration>', 'longest time a gate command may neither print nor work', parseDuration)
    .option(
      '--report <path>',
      'where gates leave JUnit XML, like reports/*.xml, for a summary; may be repeated',
      collect,
    );
}

/** Parses `strict=claude-code:80` and adds it to the list. */
export function addReviewer(text: string, before: readonly Reviewer[] = []): Reviewer[] {
  const [, name = '', agent = '', score] = /^([^=]+)=([^=:]+)(?::(\d{1,3}))?$/.exec(text) ?? [];
  const leastScore = score === undefined ? LEAST_SCORE : Number(score);
  if (name === '' || leastScore > 100) {
    throw new InvalidArgumentError(
      'Write it like strict=claude-code or strict=claude-code:80, the score from 0 to 100.',
    );
  }
  if (before.some((one) => one.name === name)) throw new InvalidArgumentError(`The reviewer ${name} is given twice.`);
  return [...before, { name, agent, instructions: null, leastScore }];
}

/** Parses `fixRounds=3` and adds it to the budgets. */
export function addBudget(text: string, before: Partial<Budgets> = {}): Partial<Budgets> {
  const [, name = '', count = ''] = /^([A-Za-z]+)=(\d{1,3})$/.exec(text) ?? [];
  if (!Object.hasOwn(DEFAULT_BUDGETS, name)) {
    throw new InvalidArgumentError(`Write it like fixRounds=3; there are ${Object.keys(DEFAULT_BUDGETS).join(', ')}.`);
  }
  return { ...before, [name]: Number(count) };
}

/** Whether any of these options is given. */
export function namesPipeline(options: PipelineOptions): boolean {
  const { reviewer, reviewInstructions, clearReviewers, budget, gateTimeout, gateIdle, report } = options;
  const given = [reviewer, reviewInstructions, clearReviewers, budget, gateTimeout, gateIdle, report];
  return given.some((one) => one !== undefined);
}

/**
 * Returns the settings after these options, or undefined where none is given: the API takes all of them at once, so what
 * is not named stays as it is `before`. Throws `bad-usage` for instructions nobody is to follow or that cannot be read.
 */
export async function changePipeline(
  options: PipelineOptions,
  { before, cwd }: { before: PipelineSettings | null; cwd: string },
): Promise<PipelineSettings | undefined> {
  if (!namesPipeline(options)) return undefined;
  const { reviewer, reviewInstructions, clearReviewers, budget, gateTimeout, gateIdle, report } = options;
  const known = clearReviewers === true ? [] : (before?.reviewers ?? []);
  const reviewers = await instruct(mergeReviewers(known, reviewer ?? []), reviewInstructions ?? [], cwd);
  const budgets = { ...before?.budgets, ...budget };
  const reports = report ?? before?.reports;
  const gateLimits = {
    ...before?.gateLimits,
    ...(gateTimeout === undefined ? {} : { wallMs: gateTimeout }),
    ...(gateIdle === undefined ? {} : { idleMs: gateIdle }),
  };
  return {
    reviewers,
    ...(Object.keys(budgets).length === 0 ? {} : { budgets }),
    ...(Object.keys(gateLimits).length === 0 ? {} : { gateLimits }),
    ...(reports === undefined ? {} : { reports }),
  };
}

/** One that is named again changes in its place and keeps its instructions. */
function mergeReviewers(known: readonly Reviewer[], named: readonly Reviewer[]): Reviewer[] {
  const changed = known.map((old) => {
    const now = named.find(({ name }) => name === old.name);
    return now === undefined ? old : { ...now, instructions: old.instructions };
  });
  return [...changed, ...named.filter(({ name }) => !known.some((old) => old.name === name))];
}

async function instruct(reviewers: Reviewer[], files: readonly string[], cwd: string): Promise<Reviewer[]> {
  const told = new Map<string, string>();
  for (const text of files) {
    const [, name = '', file = ''] = /^([^=]+)=(.+)$/.exec(text) ?? [];
    if (file === '') throw fail('bad-usage', `--review-instructions ${text}: write it like strict=review.md`);
    if (!reviewers.some((one) => one.name === name)) {
      throw fail('bad-usage', `--review-instructions ${text}: there is no reviewer "${name}"`, {
        hint: `Name it with --reviewer ${name}=AGENT.`,
      });
    }
    told.set(name, await readInstructions(resolve(cwd, file), text));
  }
  return reviewers.map((one) => ({ ...one, instructions: told.get(one.name) ?? one.instructions }));
}

async function readInstructions(path: string, given: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw fail('bad-usage', `--review-instructions ${given}: ${messageOf(error)}`, { cause: error });
  }
}

/** Returns the lines of `repo show`: what is said of reviewers, budgets and limits, each budget as it counts. */
export function describePipeline(
  pipeline: PipelineSettings | null,
  span: (ms: number) => string,
): [string, string | null][] {
  const reviewers = (pipeline?.reviewers ?? []).map(({ name, agent, leastScore, instructions }): [string, string] => {
    const told = instructions === null ? '' : `, ${formatBytes(Buffer.byteLength(instructions))} of instructions`;
    return ['reviewer', cleanLine(`${name}: agent ${agent}, at least ${leastScore}${told}`)];
  });
  const budgets = Object.entries({ ...DEFAULT_BUDGETS, ...pipeline?.budgets }).map(([name, n]) => `${name} ${n}`);
  const { wallMs, idleMs } = pipeline?.gateLimits ?? {};
  const limits = [
    wallMs === undefined ? null : `${span(wallMs)} in all`,
    idleMs === undefined ? null : `${span(idleMs)} idle`,
  ].filter((one) => one !== null);
  return [
    ...reviewers,
    ['budgets', budgets.join(' · ')],
    ['gate limits', limits.length === 0 ? null : limits.join(' · ')],
    ...(pipeline?.reports ?? []).map((path): [string, string] => ['report', cleanLine(path)]),
  ];
}
