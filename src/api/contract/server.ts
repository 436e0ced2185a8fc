import { z } from 'zod';
import { problemSchema } from './common.ts';
import { nextSafeActionSchema } from './job.ts';

export const versionSchema = z
  .strictObject({
    name: z.literal('holdfast'),
    version: z.string(),
    api: z.literal('v1'),
    bootId: z.string(),
    node: z.string(),
  })
  .meta({ id: 'Version' });
export type VersionView = z.infer<typeof versionSchema>;

export const doctorQuerySchema = z.strictObject({
  deep: z.enum(['true', 'false']).optional().meta({ description: '`true` replays the whole journal as well.' }),
});

export const doctorSchema = z
  .strictObject({
    ok: z.boolean().meta({ description: 'False when a check of level `fail` did not pass.' }),
    checks: z.array(
      z.strictObject({
        name: z.string(),
        ok: z.boolean(),
        level: z.enum(['ok', 'warn', 'fail']),
        detail: z.string(),
        hint: z.string().nullable(),
        finding: z
          .strictObject({
            kind: z.string(),
            name: z.string(),
            why: z.string(),
            evidence: z.string().meta({ description: 'Path of the file that shows it.' }),
            nextSafeAction: nextSafeActionSchema,
            command: z.string().nullable(),
          })
          .exactOptional()
          .meta({ description: 'Present where the check is about one damaged thing.' }),
      }),
    ),
  })
  .meta({ id: 'Doctor' });
export type DoctorView = z.infer<typeof doctorSchema>;

export const healthSchema = z.strictObject({ status: z.literal('ok') }).meta({ id: 'Health' });

const degradedSchema = z
  .array(z.string())
  .meta({ description: 'Resources that do not work as they should; `disk`: new work waits for space.' });

export const readySchema = z
  .strictObject({ ready: z.literal(true), phase: z.string(), degraded: degradedSchema })
  .meta({ id: 'Ready' });

/** A problem document with two members more: the phase of the start, and what it has found missing so far. */
export const notReadySchema = problemSchema
  .extend({ ready: z.literal(false), phase: z.string(), degraded: degradedSchema })
  .meta({ id: 'NotReady' });
