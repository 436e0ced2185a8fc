import { z } from 'zod';

/** Bytes of all words together: the kernel refuses a larger argument list anyway. */
const MAX_ARGV_BYTES = 2 ** 20;

/** A command as a list of words; no shell reads it. */
export const argvSchema = z
  .array(z.string().refine((word) => !word.includes('\0') && word.isWellFormed(), 'contains a NUL or broken character'))
  .min(1)
  .max(4096)
  .refine((words) => words[0] !== '', 'the command itself is empty')
  .refine(
    (words) => words.reduce((sum, word) => sum + Buffer.byteLength(word) + 1, 0) <= MAX_ARGV_BYTES,
    'longer than 1 MiB',
  )
  .meta({ description: 'Words of a command; no shell is involved.' });
