/**
 * The one shape of everything long-lived. Both calls are idempotent. `stop` only closes what would keep the process
 * alive: nothing may depend on it having run, because the ordinary way to stop is a crash.
 */
export interface Service {
  start(): Promise<void>;
  stop(): Promise<void>;
}
