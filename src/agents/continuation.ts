import { fail } from '../kernel/errors.ts';
import type { NonEmptyString } from './adapter.ts';

const MAX_QUOTED = 120;

/**
 * Returns what a resumed session is told: that its process was interrupted and why, that the workspace is as it stands,
 * and which tool call may or may not have had its effect. `attempt` is the one about to start, `reason` a clause
 * without a full stop, `unfinishedTool` the name of the tool that was running at the end, if known.
 */
export function continuationPrompt(facts: {
  attempt: number;
  reason: string;
  unfinishedTool?: string | null;
}): NonEmptyString {
  const reason = quote(facts.reason);
  const tool = quote(facts.unfinishedTool ?? '');
  const parts = [
    `You continue the same session in a new process (attempt ${facts.attempt}): ${reason || 'the one before was interrupted'}.`,
    'That process is gone, with every tool it had started.',
    'The workspace is as it stands on disk, which may differ from what you remember: look before you rely on it.',
    tool === ''
      ? 'A tool call whose result you do not see may have run completely, in part, or not at all.'
      : `The tool call "${tool}" was running and its result is lost: it may have run completely, in part, or not at all.`,
    'Check its effect before you repeat it.',
    'Then continue the task where it stopped, and finish it.',
  ];
  return nonEmpty(parts.join(' '));
}

/**
 * Returns what a session is told whose process had ended by itself and that is wanted once more: `instructions` say for
 * what. `attempt` is the one about to start. Throws `bad-prompt` for empty instructions.
 */
export function nextRoundPrompt(facts: { attempt: number; instructions: string }): NonEmptyString {
  const where = [
    `You continue the same session in a new process (attempt ${facts.attempt}): the one before had ended by itself.`,
    'The workspace is as it stands on disk, without what checks have changed or left in it.',
  ];
  return nonEmpty(`${where.join(' ')}\n\n---\n\n${nonEmpty(facts.instructions)}`);
}

/** Proves that `text` says something; throws `bad-prompt` when it is empty or blank. */
export function nonEmpty(text: string): NonEmptyString {
  if (text.trim() === '') throw fail('bad-prompt', 'a session cannot be continued with an empty text');
  return text as NonEmptyString;
}

/** One short line without control characters or quotes: names of tools come from the agent's own output. */
function quote(text: string): string {
  const line = text.replaceAll(/[\p{C}\s"]+/gu, ' ').trim();
  return line.length > MAX_QUOTED ? `${line.slice(0, MAX_QUOTED)}…` : line;
}
