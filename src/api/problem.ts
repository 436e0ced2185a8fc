/** Turns anything that was thrown into the one form of every error this server answers. */
import type { FastifyError } from 'fastify';
import { ERRORS, fail, HoldfastError, type ErrorCode } from '../kernel/errors.ts';
import { errnoOf, messageOf } from '../kernel/result.ts';
import type { Problem } from './contract/common.ts';
import { LATER_FIELDS } from './contract/job.ts';

export const PROBLEM_TYPE = 'application/problem+json; charset=utf-8';

/** How many faults of one request are told. */
const MAX_FAULTS = 5;

/** Returns the problem document of `error` for a request of `path` (without its query). */
export function toProblem(error: HoldfastError, path: string): Problem {
  return {
    type: `urn:holdfast:error:${error.code}`,
    title: ERRORS[error.code].title,
    status: error.status,
    detail: error.detail,
    code: error.code,
    hint: error.hint,
    instance: path,
  };
}

/** Returns the row of the table that fits what was thrown. What nobody foresaw becomes `internal`, without its text. */
export function classify(error: unknown): HoldfastError {
  if (error instanceof HoldfastError) return error;
  const known = classifyStorage(error) ?? classifyRequest(error);
  return known ?? fail('internal', 'an unexpected error; the server log has its text', { cause: error });
}

function classifyStorage(error: unknown): HoldfastError | null {
  switch (errnoOf(error)) {
    case 'ENOSPC':
    case 'EDQUOT':
      return fail('storage-full', 'no space left on the disk of the home', { cause: error });
    case 'EIO':
    case 'EROFS':
      return fail('storage-failed', `the disk of the home answered ${errnoOf(error)}`, { cause: error });
    default:
      return null;
  }
}

/** Errors of the HTTP framework that are the client's. */
function classifyRequest(error: unknown): HoldfastError | null {
  if (!(error instanceof Error) || !('statusCode' in error) || typeof error.statusCode !== 'number') return null;
  const fault = error as FastifyError;
  if (Array.isArray(fault.validation)) return describeFaults(fault);
  switch (fault.code) {
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return fail('unsupported-media-type', 'the body is not application/json');
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return fail('payload-too-large', 'the body is larger than 7 MiB');
    default:
      return error.statusCode < 500 ? fail('bad-request', messageOf(error)) : null;
  }
}

interface Fault {
  instancePath: string;
  message?: string;
  params: Record<string, unknown>;
}

function describeFaults(error: FastifyError): HoldfastError {
  const part = error.validationContext ?? 'request';
  const faults = (error.validation ?? []) as Fault[];
  const lines = faults.flatMap((fault) => describeFault(fault, part));
  const more = lines.length > MAX_FAULTS ? `; and ${lines.length - MAX_FAULTS} more` : '';
  const detail = `${lines.slice(0, MAX_FAULTS).join('; ')}${more}`;
  const codes = new Set(faults.map(codeOfFault));
  const [only] = codes;
  return fail(codes.size === 1 && only !== undefined ? only : 'bad-request', detail);
}

/** Fields of the body go by their own path; `querystring`, `params` and `headers` are named before it. */
function describeFault(fault: Fault, part: string): string[] {
  const path = fault.instancePath.split('/').filter((step) => step !== '');
  const name = (steps: readonly string[]): string => [...(part === 'body' ? [] : [part]), ...steps].join('.');
  const { keys } = fault.params;
  if (!Array.isArray(keys)) return [`${name(path) || part}: ${fault.message ?? 'is not valid'}`];
  return keys.map((key: unknown) => {
    const field = name([...path, String(key)]);
    return `${field}: ${LATER_FIELDS.includes(field) ? 'not supported by this version' : 'unknown field'}`;
  });
}

/** The code a schema gave its own check, else `bad-request`. */
function codeOfFault(fault: Fault): ErrorCode {
  const own = (fault.params['params'] as { code?: unknown } | undefined)?.code;
  return typeof own === 'string' && Object.hasOwn(ERRORS, own) ? (own as ErrorCode) : 'bad-request';
}
