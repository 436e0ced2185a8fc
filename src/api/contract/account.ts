import { z } from 'zod';
import { pageOf, timeSchema } from './common.ts';
import { nameSchema } from './repository.ts';

/** Shortest password of a new account; the length NIST SP 800-63B asks for at least. */
const MIN_PASSWORD_CHARS = 8;
/** Longest one: a key derivation reads all of it. */
const MAX_PASSWORD_CHARS = 1024;

const newPasswordSchema = z
  .string()
  .min(MIN_PASSWORD_CHARS, `must have at least ${MIN_PASSWORD_CHARS} characters`)
  .max(MAX_PASSWORD_CHARS, `must have at most ${MAX_PASSWORD_CHARS} characters`)
  .refine((text) => text.isWellFormed() && !text.includes('\0'), 'is not valid text');

export const newAccountSchema = z.strictObject({ name: nameSchema, password: newPasswordSchema }).meta({
  id: 'NewAccount',
});

export const accountSchema = z
  .strictObject({ id: z.string(), name: z.string(), createdAt: timeSchema, revokedAt: timeSchema.nullable() })
  .meta({ id: 'Account' });
export type AccountView = z.infer<typeof accountSchema>;

export const accountPageSchema = pageOf(accountSchema).meta({ id: 'AccountPage' });

export const accountParamsSchema = z.strictObject({ id: z.string().meta({ description: 'Id of the account.' }) });

export const loginSchema = z
  .looseObject({ username: z.string().max(256), password: z.string().max(MAX_PASSWORD_CHARS) })
  .meta({ id: 'Login' });

export const sessionSchema = z
  .strictObject({
    token: z.string().meta({ description: 'Bearer token; shown once.' }),
    user: z.string(),
    expires: timeSchema,
  })
  .meta({ id: 'Session' });
