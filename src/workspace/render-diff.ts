import { safeGit } from './safe-git.ts';

const MAX_DIFF_BYTES = 16 * 2 ** 20;

export interface RenderRequest {
  /** Bare repository of ours that has both. */
  gitDir: string;
  from: string;
  /** A tree or a commit. */
  to: string;
  /** Said before the diff, as lines that start with `# `. */
  notes: readonly string[];
  /** Bytes of the diff that are returned, default 16 MiB; a cut one says so in its last line. */
  maxBytes?: number | undefined;
  /** Directory the names are shown in. */
  prefix?: string | undefined;
  op?: string | undefined;
  signal?: AbortSignal | undefined;
}

/** Returns the unified diff between two trees: no work tree, so no attribute of theirs can hide a change as binary. */
export async function renderDiff(request: RenderRequest): Promise<string> {
  const { gitDir, from, to, op, signal } = request;
  const args = ['diff', '--no-color', '--no-ext-diff', '--no-textconv', '--find-renames'];
  if (request.prefix !== undefined) args.push(`--src-prefix=a/${request.prefix}/`, `--dst-prefix=b/${request.prefix}/`);
  args.push('--submodule=short', '--ignore-submodules=none', '--end-of-options', from, to, '--');
  const maxBytes = request.maxBytes ?? MAX_DIFF_BYTES;
  const profile = { kind: 'local' as const, gitDir };
  const diff = await safeGit({ profile, args, op, signal, maxBytes, allowTruncated: true });
  const head = request.notes.map((text) => `# ${quoteControls(text)}\n`).join('');
  const body = diff.stdout.toString('utf8');
  if (!diff.truncated) return head + body;
  return `${head}${body.slice(0, body.lastIndexOf('\n') + 1)}# the diff is longer than ${maxBytes} bytes and was cut here\n`;
}

/** File names are the agent's: a newline in one must not make a line of the diff. */
function quoteControls(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what is replaced
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, '?');
}
