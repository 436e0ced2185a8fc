/** The part of the store contract about callbacks: the outbox and its tries. */
import type { Delivery, DeliveryState } from '../lifecycle/delivery.ts';
import type { Page } from './store.ts';

export interface DeliveryClaim {
  actor: string;
  max: number;
  /** Tries under way at once to one host. */
  perHost: number;
  /** Tries under way now, by host. */
  busy: Record<string, number>;
}

export interface ClaimedDeliveries {
  deliveries: Delivery[];
  /** When the next one is due that is not due now, milliseconds since 1970; null when there is none. */
  nextAt: number | null;
}

export interface DeliveryRecord {
  id: string;
  /** Number of the try (`tries` when it began): the fence. */
  try: number;
  transition: 'deliver' | 'retry' | 'fail';
  /** HTTP status, or null when there was no answer. */
  status: number | null;
  error: string | null;
  /** Required for `retry`. */
  nextAt: number | null;
  /** The receiver wants nothing sent to this url any more. */
  gone: boolean;
  actor: string;
}

export interface DeliveryQuery {
  state?: DeliveryState;
  jobId?: string;
  cursor?: string;
  /** At most 200. */
  limit?: number;
}

export interface DeliveryStore {
  /** Begins a try of every due delivery there is room for, oldest first; those of a disabled url are given up instead. */
  claimDeliveries(claim: DeliveryClaim): Promise<ClaimedDeliveries>;
  /**
   * Records what came of a try, and gives the next delivery of the same job and url its turn. Throws `fenced` for a try
   * that is not the newest, `delivery-not-found`, `state-conflict`.
   */
  recordDelivery(outcome: DeliveryRecord): Promise<Delivery>;
  /**
   * Puts back what an earlier server was sending when it died, due at once, that try given back. Counts them, and the
   * others that wait. Only for who holds the home and sends nothing yet.
   */
  returnDeliveries(actor: string): Promise<{ returned: number; pending: number; retrying: number }>;
  /** Sends an ended one again, with the same id and body and new tries. Throws `delivery-not-found`, `state-conflict`. */
  redeliver(id: string, actor: string): Promise<Delivery>;
  getDelivery(id: string): Promise<Delivery | null>;
  /** Newest first. */
  listDeliveries(query: DeliveryQuery): Promise<Page<Delivery>>;
  deliveryStats(): Promise<{ byState: Record<DeliveryState, number>; oldestUnfinishedAt: number | null }>;
}
