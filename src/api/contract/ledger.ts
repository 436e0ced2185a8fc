import { z } from 'zod';
import { REFUSAL_WORDS, REFUSED_RESULTS } from '../../lifecycle/refusal.ts';
import { EVIDENCE_KINDS, GATE_RESULTS, STAGES } from '../../lifecycle/stage.ts';
import { pageOf, timeSchema } from './common.ts';

const testSummarySchema = z
  .strictObject({
    format: z.enum(['tap', 'junit']),
    tests: z.int(),
    passed: z.int(),
    failed: z.int(),
    skipped: z.int(),
    failing: z.array(z.string()).meta({ description: 'The first names of those that failed.' }),
  })
  .meta({ id: 'TestSummary' });

export const gateSchema = z
  .strictObject({
    epoch: z.int().meta({ description: 'Round of verification; results of an older one open nothing.' }),
    stage: z.enum(STAGES),
    gate: z.string(),
    result: z.enum(GATE_RESULTS).meta({ description: 'BLOCK: there is no result, and a person must find out why.' }),
    why: z.string().nullable(),
    candidate: z.string().meta({ description: 'Commit it is about.' }),
    attempt: z.int().nullable().meta({ description: 'Attempt that produced it; null for one the server produced.' }),
    evidence: z.array(z.string()).meta({ description: 'sha256 of what it rests on.' }),
    summary: testSummarySchema.nullable().meta({ description: 'What its tests told; its exit code alone decides.' }),
    recordedAt: timeSchema,
  })
  .meta({ id: 'GateResult' });
export type GateView = z.infer<typeof gateSchema>;

const refusalSchema = z
  .strictObject({
    word: z.enum(REFUSAL_WORDS).meta({
      description:
        'late: of an older claim or epoch; duplicate: recorded already; conflict: something else is recorded; unauthorised: from one that was not asked.',
    }),
    result: z.enum(REFUSED_RESULTS),
    epoch: z.int(),
    fence: z.int().nullable().meta({ description: 'Claim it was said under; null for a verdict file.' }),
    attempt: z.int().nullable(),
    gate: z.string().nullable(),
    why: z.string(),
    recordedAt: timeSchema,
  })
  .meta({ id: 'Refusal' });
export type RefusalView = z.infer<typeof refusalSchema>;

export const gatePageSchema = pageOf(gateSchema)
  .extend({ refusals: z.array(refusalSchema).meta({ description: 'Results that were refused, and had no effect.' }) })
  .meta({ id: 'GateResultPage' });
export type GatePageView = z.infer<typeof gatePageSchema>;

export const evidenceSchema = z
  .strictObject({
    sha256: z.string(),
    kind: z.enum(EVIDENCE_KINDS),
    name: z.string(),
    bytes: z.int(),
    epoch: z.int(),
    attempt: z.int().nullable().meta({ description: 'Attempt that produced it; null for one the server produced.' }),
    recordedAt: timeSchema,
  })
  .meta({ id: 'Evidence' });
export type EvidenceView = z.infer<typeof evidenceSchema>;

export const evidencePageSchema = pageOf(evidenceSchema).meta({ id: 'EvidencePage' });

export const evidenceParamsSchema = z.strictObject({
  id: z.string().meta({ description: 'Number, id, or unique prefix of an id.' }),
  sha256: z.string().regex(/^[0-9a-f]{64}$/, 'must be a sha256'),
});
