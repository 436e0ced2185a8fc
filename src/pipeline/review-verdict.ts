/**
 * The verdict file of a reviewer: the only thing of a review that counts. It must be about exactly the commit, job and
 * round that were asked about, and may not contradict itself; whatever is wrong with it, the gate has no result.
 */
import { z } from 'zod';
import type { GateResult } from '../lifecycle/stage.ts';

/** Largest verdict file that is read, bytes. */
export const MAX_VERDICT_BYTES = 256 * 1024;
const MAX_FINDINGS = 500;

const findingSchema = z.strictObject({
  severity: z.enum(['critical', 'major', 'minor', 'info']),
  path: z.string().max(4096).optional().meta({ description: 'Relative to the repository.' }),
  line: z.int().min(1).optional(),
  text: z.string().min(1).max(8192),
});

/** Version 1 of the file. `candidate` and `nonce` are given to the reviewer, and come back as they were. */
export const reviewVerdictSchema = z
  .strictObject({
    v: z.literal(1),
    job: z.string(),
    epoch: z.int(),
    candidate: z.string(),
    nonce: z.string(),
    verdict: z.enum(['PASS', 'FAIL', 'BLOCK']),
    score: z.int().min(0).max(100),
    summary: z.string().min(1).max(8192),
    findings: z.array(findingSchema).max(MAX_FINDINGS),
  })
  .meta({ id: 'ReviewVerdict' });
export type ReviewVerdict = z.infer<typeof reviewVerdictSchema>;

/** What a reviewer was asked about. */
export type ReviewRequest = Pick<ReviewVerdict, 'job' | 'epoch' | 'candidate' | 'nonce'>;

export interface ReviewReading {
  result: GateResult;
  /** One sentence: the reviewer's summary, or what is wrong with its file. */
  why: string;
  /** Null where the file says nothing that counts. */
  verdict: ReviewVerdict | null;
  /** Of a file that answers another request: an earlier round's is late, every other one nobody asked for. */
  refused: 'late' | 'unauthorised' | null;
}

/**
 * Returns what a verdict file means; `bytes` is null where there is none. `leastScore` (0 to 100) is the repository's: a
 * PASS below it is a failure.
 */
export function readReviewVerdict(
  bytes: Uint8Array | null,
  asked: ReviewRequest,
  { leastScore }: { leastScore: number },
): ReviewReading {
  if (bytes === null) return without('the reviewer left no verdict file');
  if (bytes.length > MAX_VERDICT_BYTES) return without(`its verdict file is larger than ${MAX_VERDICT_BYTES} bytes`);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return without('its verdict file is not JSON');
  }
  const parsed = reviewVerdictSchema.safeParse(value);
  if (!parsed.success) return without(`its verdict file is not of version 1: ${nameFault(parsed.error)}`);
  const verdict = parsed.data;
  for (const field of ['job', 'epoch', 'candidate', 'nonce'] as const) {
    if (verdict[field] === asked[field]) continue;
    const isLate = verdict.job === asked.job && verdict.epoch < asked.epoch;
    return without(`its verdict file is about another ${field}`, isLate ? 'late' : 'unauthorised');
  }
  const worst = verdict.findings.find(({ severity }) => severity === 'critical');
  const read = { verdict, refused: null };
  if (verdict.verdict !== 'PASS') return { result: verdict.verdict, why: verdict.summary, ...read };
  if (worst !== undefined)
    return { result: 'FAIL', why: `it passed work with a critical finding: ${worst.text}`, ...read };
  if (verdict.score < leastScore) {
    return { result: 'FAIL', why: `its score ${verdict.score} is below ${leastScore}: ${verdict.summary}`, ...read };
  }
  return { result: 'PASS', why: verdict.summary, ...read };
}

function without(why: string, refused: ReviewReading['refused'] = null): ReviewReading {
  return { result: 'BLOCK', why, verdict: null, refused };
}

function nameFault(error: z.ZodError): string {
  const [issue] = error.issues;
  return issue === undefined ? 'unknown' : `${issue.path.join('.') || 'it'} ${issue.message}`;
}
