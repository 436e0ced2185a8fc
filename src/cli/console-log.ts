import type { Log } from '../kernel/log.ts';
import { cleanLine } from './sanitise.ts';
import type { Terminal } from './terminal.ts';

/** Returns a log of a command that works on the home itself: warnings are for the person, the rest for --verbose. */
export function consoleLog(terminal: Terminal): Log {
  return {
    debug: () => {},
    info: (text) => terminal.detail(cleanLine(text)),
    warn: (text) => terminal.detail(cleanLine(text)),
    error: (text) => terminal.alarm(cleanLine(text)),
  };
}
