/** The fields of the ledger: results of gates, and the evidence they rest on. Both belong to the chain of their job. */
import type { EvidenceRecord, GateRecord } from '../../lifecycle/stage.ts';
import { defineEntity } from './entities.ts';

export const GATES = defineEntity<GateRecord>({
  noun: 'gate',
  table: 'gates',
  key: 'id',
  chained: false,
  kinds: {
    id: 'text',
    jobId: 'text',
    epoch: 'int',
    stage: 'text',
    gate: 'text',
    result: 'text',
    why: 'text',
    candidate: 'text',
    attempt: 'int',
    evidence: 'json',
    summary: 'json',
    recordedAt: 'int',
  },
});

export const EVIDENCE = defineEntity<EvidenceRecord>({
  noun: 'evidence',
  table: 'evidence',
  key: 'id',
  chained: false,
  kinds: {
    id: 'text',
    jobId: 'text',
    sha256: 'text',
    kind: 'text',
    name: 'text',
    bytes: 'int',
    epoch: 'int',
    attempt: 'int',
    recordedAt: 'int',
  },
});
