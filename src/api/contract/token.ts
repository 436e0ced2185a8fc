import { z } from 'zod';
import { pageOf, timeSchema } from './common.ts';
import { nameSchema } from './repository.ts';

export const newTokenBodySchema = z.strictObject({ name: nameSchema }).meta({ id: 'NewToken' });

const fields = {
  id: z.string(),
  name: z.string(),
  createdAt: timeSchema,
  revokedAt: timeSchema.nullable(),
  accountId: z.string().nullable().meta({ description: 'Account whose login made it.' }),
  expiresAt: timeSchema.nullable(),
};

export const tokenSchema = z.strictObject(fields).meta({ id: 'Token' });
export type TokenView = z.infer<typeof tokenSchema>;

/** Answer to the creation: the only time the token itself is shown. */
export const createdTokenSchema = z
  .strictObject({ ...fields, token: z.string().meta({ description: 'Shown once; only its sha256 is kept.' }) })
  .meta({ id: 'CreatedToken' });
export type CreatedTokenView = z.infer<typeof createdTokenSchema>;

export const tokenPageSchema = pageOf(tokenSchema).meta({ id: 'TokenPage' });

export const tokenParamsSchema = z.strictObject({ id: z.string() });
