import { pino } from 'pino';
import type { Log } from '../kernel/log.ts';

const LEVELS: Record<number, string> = { 20: 'debug', 30: 'info', 40: 'WARN', 50: 'ERROR', 60: 'FATAL' };

/** Returns the server's log on stderr: one JSON object a line, or one plain line for people. */
export function createLog(form: 'pretty' | 'json', level: 'debug' | 'info' = 'info'): Log {
  const destination =
    form === 'json' ? process.stderr : { write: (line: string) => void process.stderr.write(prettify(line)) };
  const logger = pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, destination);
  const at =
    (name: 'debug' | 'info' | 'warn' | 'error' | 'fatal') =>
    (message: string, fields?: Record<string, unknown>): void =>
      logger[name](fields ?? {}, message);
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error'), fatal: at('fatal') };
}

/** `12:34:56.789 info  message key=value`, control characters of values made harmless. */
function prettify(line: string): string {
  const { level, time, msg, ...fields } = JSON.parse(line) as { level: number; time: string; msg: string };
  const rest = Object.entries(fields).map(
    ([key, value]) => ` ${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  // oxlint-disable-next-line no-control-regex -- exactly these must not reach the operator's terminal
  const text = `${msg}${rest.join('')}`.replace(/[\u0000-\u001f\u007f-\u009f]/g, ' ');
  return `${time.slice(11, 23)} ${(LEVELS[level] ?? 'info').padEnd(5)} ${text}\n`;
}
