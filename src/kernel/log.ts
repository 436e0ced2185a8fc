/** Where every room writes what an operator should be able to find again. The composition root decides the form. */
export interface Log {
  debug(message: string, fields?: Record<string, unknown>): void;
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
  /** Somebody must look now; `error` where a log has no such level. */
  fatal?(message: string, fields?: Record<string, unknown>): void;
}
