/**
 * The pipeline room decides what follows a stage, what an agent is asked to do in it, and what a review says. It runs
 * nothing and reads recorded facts only: no text an agent printed passes a gate.
 */
import type { StageRules } from '../lifecycle/stage-rules.ts';
import { decideStage } from './decide-stage.ts';
import { instructAgent } from './instruct-agent.ts';
import { packetSchema, renderPacket } from './packet.ts';
import { readReviewVerdict } from './review-verdict.ts';

/** Returns the rules of the pipeline. */
export function createStageRules(): StageRules {
  return {
    decide: decideStage,
    render: (text, isPacket) => (isPacket ? renderPacket(packetSchema.parse(JSON.parse(text))) : text),
    instruct: instructAgent,
    judgeReview: (bytes, question, leastScore) => {
      const { result, why, verdict } = readReviewVerdict(bytes, question, { leastScore });
      return { result, why, findings: verdict === null ? null : JSON.stringify(verdict.findings, null, 2) };
    },
  };
}
