/**
 * The pipeline room decides what follows a stage, what an agent is asked to do in it, and what a review says. It runs
 * nothing and reads recorded facts only: no text an agent printed passes a gate.
 */
import type { StageRules } from '../lifecycle/stage-rules.ts';
import { decideStage } from './decide-stage.ts';
import { instructAgent } from './instruct-agent.ts';
import { reportAsJson, reportAsMarkdown } from './hand-off-report.ts';
import { packetSchema, renderPacket, slugOf } from './packet.ts';
import { readJunit } from './read-junit.ts';
import { readTap } from './read-tap.ts';
import { readReviewVerdict } from './review-verdict.ts';

/** Returns the rules of the pipeline. */
export function createStageRules(): StageRules {
  return {
    decide: decideStage,
    render: (text, isPacket) => (isPacket ? renderPacket(packetSchema.parse(JSON.parse(text))) : text),
    titleOf: (text, isPacket) => (isPacket ? packetSchema.parse(JSON.parse(text)).title : firstLine(text)),
    branchOf: ({ number, title }) => `holdfast/${number}-${slugOf(title)}`,
    report: (facts) => ({ json: reportAsJson(facts), markdown: reportAsMarkdown(facts) }),
    instruct: instructAgent,
    // Reports lie where the operator said: they tell more than what happens to be printed.
    summarise: ({ printed, reports }) => readJunit(reports) ?? (printed === null ? null : readTap(printed)),
    judgeReview: (bytes, question, leastScore) => {
      const { result, why, verdict, refused } = readReviewVerdict(bytes, question, { leastScore });
      return { result, why, refused, findings: verdict === null ? null : JSON.stringify(verdict.findings, null, 2) };
    },
  };
}

/** Longest title made of a prompt, characters. */
const MAX_TITLE_CHARS = 120;

/** A scenario or another text for programs has no title. */
function firstLine(text: string): string {
  const line = text.trim().split('\n')[0]?.replace(/^#+ */, '') ?? '';
  return /^[{[]/.test(line) ? 'work' : line.slice(0, MAX_TITLE_CHARS).toWellFormed();
}
