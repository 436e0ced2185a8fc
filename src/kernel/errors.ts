/**
 * Every error Holdfast reports on purpose: one row per code, with its HTTP status, exit code, and what to do about it.
 * `docs/errors.md` lists the same rows; a test holds the two against each other.
 */
export const ERRORS = {
  'bad-request': row('The request is not valid', 400, 2, 'Correct the named field and send it again.'),
  'bad-usage': row('The command line is not valid', 400, 2, 'See `holdfast help COMMAND`.'),
  'bad-name': row(
    'The name is not allowed',
    400,
    2,
    'Use letters, digits, dots, dashes and underscores; at most 64 characters.',
  ),
  'bad-duration': row('The duration is not valid', 400, 2, 'Write it like 500ms, 30s, 5m, 2h, 1d or 1h30m.'),
  'bad-prompt': row('The prompt is not valid', 400, 2, 'Send a prompt of 1 byte to 1 MiB, without NUL characters.'),
  'bad-packet': row(
    'The packet is not valid',
    422,
    2,
    'Correct the named field; `holdfast packet validate FILE` checks a file without sending it.',
  ),
  'bad-range': row(
    'The byte range lies outside the output',
    416,
    2,
    'Ask for a range that starts within the size named in Content-Range.',
  ),
  'bad-file-name': row(
    'The file name is not allowed',
    400,
    2,
    'Send the plain name of one file: at most 255 bytes, no slash or control character, not beginning with - or .git.',
  ),
  'bad-config': row('The configuration is not valid', 400, 2, 'Correct the named key in holdfast.config.json.'),
  'bad-certificate': row(
    'The certificate cannot be used',
    400,
    2,
    'Give a PEM certificate that counts now with --tls-cert, and its key, without a passphrase, with --tls-key.',
  ),
  'not-a-repository': row(
    'The source is not a git repository',
    422,
    2,
    'Give the path or URL of an existing git repository.',
  ),
  'source-refused': row(
    'The source is refused',
    422,
    2,
    'Give an https:// or ssh URL, or an absolute path of your own.',
  ),
  'empty-repository': row(
    'The repository has no commits yet',
    422,
    2,
    'Make a first commit in the source, then register it.',
  ),
  'branch-not-found': row(
    'The branch does not exist in the source',
    422,
    2,
    'Name an existing branch with --base; `git branch` in the source lists them.',
  ),
  'unknown-agent': row('No such agent', 422, 2, 'See `holdfast doctor` for the agents this server knows.'),
  'agent-missing': row(
    'The agent command is not installed',
    422,
    2,
    'Install it, or set `agents.<name>.command` in holdfast.config.json.',
  ),
  unauthorised: row(
    'Not authorised',
    401,
    4,
    'Send the token of the file `token` in the home as a bearer token, or set HOLDFAST_TOKEN.',
  ),
  forbidden: row('Not allowed', 403, 4, 'Call from an allowed host and origin, with a token that may do this.'),
  'not-found': row('No such thing', 404, 3, 'Check the id or name; `holdfast jobs` lists what exists.'),
  'repository-not-found': row(
    'No such repository',
    404,
    3,
    'Register it with `holdfast repo add PATH`; `holdfast repo list` shows the known ones.',
  ),
  'job-not-found': row('No such job', 404, 3, 'Use a number, an id or a unique prefix from `holdfast jobs`.'),
  gone: row('It was removed', 410, 3, 'Submit a new job; numbers and ids are never used again.'),
  'ambiguous-id': row('The prefix fits several jobs', 409, 5, 'Give more characters of the id, or the number.'),
  'already-exists': row('It exists already', 409, 5, 'Choose another name, or remove the existing one first.'),
  'state-conflict': row(
    'The job is not in a state that allows this',
    409,
    5,
    'Look at it with `holdfast show JOB`, then decide again.',
  ),
  'no-result': row(
    'The job has nothing to give',
    409,
    5,
    'Look at it with `holdfast show JOB` and `holdfast diff JOB`.',
  ),
  'result-too-large': row('The patch is too large', 409, 5, 'Take the branch instead: `holdfast checkout JOB`.'),
  'directory-in-use': row(
    'The directory is not empty',
    409,
    5,
    'Name another one: `holdfast checkout JOB DIR`; nothing was changed.',
  ),
  'work-tree-dirty': row(
    'The work tree has changes of its own',
    409,
    5,
    'Commit or stash them, then apply again; nothing was changed.',
  ),
  'patch-conflict': row(
    'The patch does not fit',
    409,
    5,
    'Nothing was changed. Take the branch with `holdfast checkout JOB` and merge it by hand.',
  ),
  'upload-conflict': row(
    'An upload would replace a file of the repository',
    409,
    5,
    'Submit the job again with the file under another name, or with overwrite=true (`run --overwrite`).',
  ),
  'upload-stalled': row('The upload stopped coming', 408, 1, 'Send the file again; nothing of it was kept.'),
  fenced: row('Somebody else owns this job now', 409, 5, 'Nothing: the newer owner carries on.'),
  'idempotency-conflict': row(
    'The idempotency key was used for another request',
    409,
    5,
    'Use a new key, or repeat the first request unchanged.',
  ),
  'token-shown': row(
    'The token was shown in an earlier answer',
    409,
    5,
    'Use that token; if its answer was lost, revoke it and create another with a new key.',
  ),
  'repository-busy': row('The repository has unfinished jobs', 409, 5, 'Wait for them or cancel them first.'),
  'callback-refused': row(
    'The callback URL is refused',
    422,
    2,
    'Give a public http(s) URL; the operator may allow others by `callbacks.allow` in holdfast.config.json.',
  ),
  'delivery-not-found': row('No such delivery', 404, 3, 'Use an id that `holdfast callbacks` lists.'),
  'lock-held': row('The lock is held', 409, 5, 'Wait until its holder lets it go; `holdfast locks` names it.'),
  'lock-damaged': row(
    'The record of a lock is damaged',
    409,
    8,
    'See `holdfast locks`; when nothing works on the repository, `holdfast locks clear KEY`.',
  ),
  'source-unreachable': row(
    'The source of the repository cannot be reached',
    502,
    8,
    'Put the source back or correct its address and access, then retry the job.',
  ),
  'source-silent': row(
    'The source of the repository does not answer',
    504,
    1,
    'Nothing to do: it is asked again by itself, with growing pauses; `holdfast queue` tells when.',
  ),
  'payload-too-large': row('The body is too large', 413, 2, 'Send less; prompts are limited to 1 MiB.'),
  'unsupported-media-type': row('Only JSON is accepted', 415, 2, 'Send Content-Type: application/json.'),
  'rate-limited': row('Too many requests', 429, 1, 'Wait for the time in Retry-After.'),
  'too-many-streams': row(
    'One caller has too many event streams open',
    429,
    1,
    'Close streams nobody reads; `limits.streamsPerPrincipal` in holdfast.config.json allows more.',
  ),
  'streams-full': row(
    'No more event streams can be opened',
    503,
    1,
    'Wait for the time in Retry-After; `limits.streams` in holdfast.config.json allows more.',
  ),
  'home-held': row(
    'The home is held by another server',
    409,
    5,
    'Use the running server, or stop it with `holdfast server stop`.',
  ),
  'home-unusable': row(
    'The home cannot be used',
    503,
    1,
    'Give a writable directory on a local disk with --home or HOLDFAST_HOME.',
  ),
  'port-in-use': row('The port is in use', 409, 5, 'Choose another with --port, or --port 0 for any free one.'),
  'unsafe-bind': row(
    'Refusing to listen beyond this machine',
    400,
    2,
    'Set `http.allowedHosts` in holdfast.config.json first, or bind to 127.0.0.1.',
  ),
  'storage-full': row(
    'The disk is full',
    507,
    1,
    'Free space on the disk that holds the home; nothing of this request was kept.',
  ),
  'storage-failed': row(
    'The disk failed',
    503,
    1,
    'Look at the disk and the server log; the server stops rather than guess.',
  ),
  'store-corrupt': row(
    'The database is damaged',
    503,
    1,
    'Keep the files, restore a copy beside them, and start again; nothing was overwritten.',
  ),
  'backup-damaged': row(
    'The backup is not whole',
    422,
    1,
    'Use another backup; this one is not restored, not even in part.',
  ),
  'backup-too-new': row(
    'The backup was made by a newer Holdfast',
    422,
    1,
    'Restore it with the version that made it, or a newer one.',
  ),
  'home-not-empty': row(
    'There is something in the way of the home',
    409,
    5,
    'Name a directory that is empty or not there yet with --home; a home in use is never overwritten.',
  ),
  'store-too-new': row(
    'The database belongs to a newer Holdfast',
    503,
    1,
    'Start the version that wrote it, or a newer one.',
  ),
  'record-corrupt': row(
    'A durable record is damaged',
    409,
    8,
    'See `holdfast show JOB`; when you know why, cancel it and retry it. Other jobs go on.',
  ),
  'evidence-corrupt': row(
    'A piece of evidence is not what was recorded',
    409,
    8,
    'Nothing passes on it. Put the file back from a backup, or let the job pass its gates anew: see `holdfast recovery quarantine`.',
  ),
  'transcript-corrupt': row(
    'The transcript is not the one that was recorded',
    409,
    8,
    'Read what the agent printed with `holdfast logs JOB`; the transcript was changed after the job ended.',
  ),
  quarantined: row('The job is quarantined', 409, 8, 'See `holdfast show JOB` for the evidence.'),
  'not-ready': row('The server is still recovering', 503, 6, 'Try again shortly; GET /readyz tells the phase.'),
  'server-unreachable': row('No server answers', 503, 6, 'Start one with `holdfast serve` or `holdfast server start`.'),
  'git-failed': row(
    'A git command failed',
    502,
    1,
    'What git said ends the message: check what it names, then try again.',
  ),
  'git-timeout': row(
    'A git command took too long',
    504,
    1,
    'Check the network and the size of the repository, then retry.',
  ),
  'workspace-unsafe': row(
    'The workspace cannot be trusted',
    409,
    8,
    'Its git data was replaced by something unsafe; inspect it before going on.',
  ),
  'resource-refused': row(
    'This cannot be a resource of the job',
    422,
    2,
    'Register a container, network or process that exists and is yours, or a path inside the workspace.',
  ),
  'resource-failed': row(
    'The resource could not be found out about, or not be removed',
    502,
    1,
    'Read the message. Nothing was registered; what was to be removed the next start tries again, `holdfast resource remove ID` does now.',
  ),
  'keeper-failed': row(
    'The keeper could not be started',
    503,
    1,
    'Read keeper.log in the run directory; run `npm run build` if the keeper is missing.',
  ),
  'node-too-old': row('Node 24 or newer is needed', 500, 1, 'Run `npm ci` in the checkout, or install Node 24.'),
  'wait-timeout': row('The wait timed out', 408, 124, 'Wait again; the job goes on.'),
  'job-ended-badly': row(
    'The job did not complete',
    409,
    7,
    'Look at it with `holdfast show JOB` and `holdfast logs JOB`.',
  ),
  'needs-person': row(
    'The job needs a person',
    409,
    8,
    'Look at it with `holdfast show JOB`; it names the next safe action.',
  ),
  interrupted: row('Interrupted', 499, 130, 'Nothing was stopped on the server.'),
  internal: row('Something went wrong inside Holdfast', 500, 1, 'Read the server log; report it with the log line.'),
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERRORS;

/** One row of the table: title for people, HTTP status, exit code of the command line, and what to do. */
export interface ErrorRow {
  title: string;
  status: number;
  exit: number;
  hint: string;
}

// oxlint-disable-next-line max-params -- four columns, and only the table above calls it
function row(title: string, status: number, exit: number, hint: string): ErrorRow {
  return { title, status, exit, hint };
}

/** An error of the table. `detail` says what is wrong here; `hint` may replace the table's when more is known. */
export class HoldfastError extends Error {
  override readonly name = 'HoldfastError';
  readonly code: ErrorCode;
  readonly detail: string;
  readonly hint: string;

  constructor(code: ErrorCode, detail: string, options: { hint?: string; cause?: unknown } = {}) {
    super(`${ERRORS[code].title}: ${detail}`, options.cause === undefined ? {} : { cause: options.cause });
    this.code = code;
    this.detail = detail;
    this.hint = options.hint ?? ERRORS[code].hint;
  }

  /** HTTP status of this error. */
  get status(): number {
    return ERRORS[this.code].status;
  }

  /** Exit code the command line ends with. */
  get exit(): number {
    return ERRORS[this.code].exit;
  }
}

/** Makes (does not throw) the error `code` with what is wrong here. */
export function fail(code: ErrorCode, detail: string, options: { hint?: string; cause?: unknown } = {}): HoldfastError {
  return new HoldfastError(code, detail, options);
}

/** Whether `error` is ours, and of this code when one is given. */
export function isError(error: unknown, code?: ErrorCode): error is HoldfastError {
  return error instanceof HoldfastError && (code === undefined || error.code === code);
}
