import type { JobCore } from './job.ts';

/** Agent that drives gate commands: they are argv like those of a job of agent `exec`. */
const GATE_AGENT = 'exec';

/** Returns the agent that works, or worked, in a stage of a job: its own, a reviewer's, or what runs gate commands. */
export function agentOf(
  job: Pick<JobCore, 'agent' | 'plan'>,
  at: { stage: JobCore['stage']; gate: string | null },
): string {
  if (at.stage === 'verify' || at.stage === 'merge') return GATE_AGENT;
  if (at.stage !== 'review') return job.agent;
  return job.plan?.reviewers.find(({ name }) => name === at.gate)?.agent ?? job.agent;
}
