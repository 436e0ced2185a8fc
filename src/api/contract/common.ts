/** Pieces every part of the contract shares: times, pages, references and the one form of every error. */
import { z } from 'zod';

import { toIso } from '../../kernel/clock.ts';

/** Longest span a client may ask for, milliseconds; the same bound as durations of the command line. */
const MAX_SPAN_MS = 366 * 86_400_000;

const spanSchema = z.int().min(1).max(MAX_SPAN_MS);

/** Limits of one run of something: of an attempt, or of a gate command. */
export const limitsSchema = z.strictObject({
  wallMs: spanSchema.optional(),
  idleMs: spanSchema.optional(),
  outputBytes: z
    .int()
    .min(1)
    .max(2 ** 40)
    .optional(),
});

/** A moment as every interface shows it. */
export const timeSchema = z.iso.datetime({ precision: 3 }).meta({ description: 'ISO 8601 UTC, milliseconds.' });

/** End of the year 9999: the last moment with four digits for its year. */
const LAST_MS = 253_402_300_799_999;

/** Returns `ms` since 1970 as the contract shows it; null stays null. */
export function showTime(ms: number): string;
export function showTime(ms: number | null): string | null;
export function showTime(ms: number | null): string | null {
  // A damaged record may hold any number; the checks tell of it, and what is beside it stays readable.
  return ms === null ? null : toIso(Math.min(Math.max(0, ms), LAST_MS));
}

/** Most items of one page. */
const MAX_PAGE = 200;
/** Items of a page when the client names no limit. */
export const DEFAULT_PAGE = 50;

/** Returns the schema of a list of `item`. */
export function pageOf<T extends z.ZodType>(item: T) {
  return z.strictObject({
    items: z.array(item),
    nextCursor: z.string().nullable().meta({ description: 'Send it as `cursor` for the next page; null on the last.' }),
  });
}

export const limitSchema = z.coerce
  .number()
  .int()
  .min(1)
  .max(MAX_PAGE)
  .optional()
  .meta({ description: `Items of one page, 1 to ${MAX_PAGE}, default ${DEFAULT_PAGE}.` });

export const cursorSchema = z
  .string()
  .min(1)
  .max(512)
  .optional()
  .meta({ description: '`nextCursor` of the page before; opaque.' });

/** Reference to a job in a path: number, id, or unique prefix of an id. */
export const jobParamsSchema = z.strictObject({
  id: z.string().meta({ description: 'Number, id, or unique prefix of an id.' }),
});

export const noQuerySchema = z.strictObject({});

/** Body of a request that carries nothing: none at all, or `{}`. */
export const noBodySchema = z.strictObject({}).nullish();

/** Every error of this server (RFC 9457), whatever its status. */
export const problemSchema = z
  .strictObject({
    type: z.string().meta({ description: '`urn:holdfast:error:<code>`.' }),
    title: z.string(),
    status: z.int().min(400).max(599),
    detail: z.string().meta({ description: 'What is wrong here; names the field.' }),
    code: z.string().meta({ description: 'Stable word for programs; docs/errors.md lists them all.' }),
    hint: z.string().meta({ description: 'What to do about it.' }),
    instance: z.string().meta({ description: 'Path of the request.' }),
  })
  .meta({ id: 'Problem' });
export type Problem = z.infer<typeof problemSchema>;

/** Headers of a creating POST. Other headers pass untouched. */
export const creatingHeadersSchema = z.looseObject({
  'idempotency-key': z
    .string()
    .regex(/^[\x21-\x7e]{1,255}$/, 'must be 1 to 255 visible ASCII characters')
    .optional()
    .meta({ description: 'The same key with the same body gives the first answer again; with another body 409.' }),
});
