/**
 * The contract of the HTTP interface: one zod schema per request and response gives the validation, the types and the
 * OpenAPI document. Objects are strict, so an unknown field is refused by its name instead of being ignored. The
 * command line imports from here and from nowhere else in this room; nothing below imports the HTTP framework, and this file
 * loads no schema, so that a command starts fast.
 */
export type { Problem } from './contract/common.ts';
export type { AccountView } from './contract/account.ts';
export type { AttemptView, StreamName } from './contract/attempt.ts';
export type { CallbackSecretView, DeliveryView } from './contract/delivery.ts';
export type { EventView } from './contract/event.ts';
export type { EvidenceView, GatePageView, GateView, RefusalView } from './contract/ledger.ts';
export type { JobView, NewJobBody } from './contract/job.ts';
export type { AdmissionView, LeaseView, LockView } from './contract/queue.ts';
export type { JobFileView } from './contract/job-file.ts';
export type { BootView } from './contract/recovery.ts';
export type { QuarantineItemView } from './contract/quarantine.ts';
export type { RepositoryView } from './contract/repository.ts';
export type { OrphanListView, OrphanView, RepairView } from './contract/orphan.ts';
export type { BackupView } from './contract/backup.ts';
export type { ResourceView } from './contract/resource.ts';
export type { DoctorView, VersionView } from './contract/server.ts';
export type { BootFrame, ByeFrame, EndFrame, OutputFrame, StateFrame } from './contract/stream.ts';
export type { CreatedTokenView, TokenView } from './contract/token.ts';
export type { StatisticView, StatisticsPageView } from './contract/statistics.ts';
export type { StreamPosition } from './contract/stream-position.ts';
export { formatStreamId, parseStreamId } from './contract/stream-position.ts';

/** One page of a list. */
export interface PageView<T> {
  items: T[];
  nextCursor: string | null;
}
