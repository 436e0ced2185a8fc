import type { NextSafeAction } from '../lifecycle/report.ts';
import type { QuarantineItem } from '../store/quarantine-store.ts';

/** What a person can do about a damaged thing, and what releasing it does. */
export interface QuarantineAdvice {
  action: NextSafeAction;
  command: string | null;
  advice: string;
}

const ACCEPTS = 'Put the file back from a backup, or release it to accept it as it is.';

const ADVICE: Record<string, string> = {
  job: 'Releasing writes the row anew from its journal where that is whole, else accepts it as it is.',
  repository:
    'Releasing writes the row anew from its journal where that is whole; compare `holdfast repo show` with what you registered.',
  boot: 'A start of the past: releasing writes it anew from its journal. Nothing depends on it.',
  token: 'It is refused until the start after its release; revoke it and create another if in doubt.',
  account: 'Its logins fail; revoke the account and create it again.',
  prompt:
    'The text of a prompt is not what was sent. Take it from a backup; jobs that had it need it no more once they ended.',
  tombstone: 'The mark of something removed. Nothing depends on it; release it.',
  counter: 'Releasing counts anew.',
  table: 'Rows nobody wrote, or rows that are gone: see `holdfast doctor --deep`, then restore a backup or release.',
  lock: 'Its repository waits: `holdfast locks` names the lock and how to clear it.',
  database: 'Pages of the database are damaged: restore the newest backup while what is readable still is.',
  schema: 'Definitions of the database are damaged: restore the newest backup.',
  witness: 'The file beside the database was damaged or behind; it was written anew. Look at the disk.',
  'host-file': 'It was written anew from the last start. Look at the disk.',
  'token-file': 'A new token was made; programs that had the old one need it. The old file is kept beside it.',
  'server-file': 'It was written anew. Nothing depends on the old one; release it.',
  'statistics-file': 'It was counted anew from the journal; the old file is kept beside it. Release it.',
  'start-marker': 'It only tells where a start was. Nothing depends on it; release it.',
  mirror:
    'Objects or names in the mirror are damaged; what was saved of jobs is in it too. Keep a copy, bring them back from a backup or from the source with `git fetch`, then release it.',
  'mirror-head':
    'It only says which branch is the base, which the registration says too: a start, and the next fetch of the repository, write it anew. Look at the disk.',
  workspace:
    'Objects of the copy this job works in are damaged or missing. Save what you need of its files, then cancel the job and submit it again.',
  'retention-file':
    'It was made anew; ages are counted from when a server of this home was last known alive. Release it.',
  'callback-secret':
    'Messages wait until it is there again: put the file back from a backup, or remove it to get a new one (tell the receivers). Release it then.',
  transcript:
    'It is not shown as it is; `holdfast logs JOB` has the output it was made of. Put the file back from a backup, or release it to hear no more of it.',
  upload:
    'What was sent for the job is not what is there. A job that has not begun is set aside when its turn comes: submit it again with the file. Of one that ended, release it.',
  evidence:
    'What a gate, a review or a hand-off rests on is not what was recorded: nothing passes on it. Put the file back from a backup, or release it to hear no more of it; `holdfast retry JOB` makes the job pass its gates anew.',
  delivery: 'A message of the outbox: see it by `holdfast callbacks`, ask its receiver what came, then release it.',
  target:
    'What is known of a URL that asked for nothing more. Release it; redeliver one message to enable the URL again.',
  quarantine: 'The record of something set aside earlier: look at what it names, then release this one.',
  index: 'Jobs of several repositories may be missing where those of one are listed. Releasing makes it anew.',
  repair:
    'The record of a repair by `holdfast doctor --fix`. Look whether what it names is as it should be, then release it.',
  rotation: 'The record of a change of the secret of callbacks, not the secret. Release it.',
  backup: 'The record of a backup, not the backup: `holdfast backup --verify DIRECTORY` tells whether that is sound.',
  output:
    'What the agent printed is not what was recorded. Take it from a backup, or release it to accept it as it is.',
};

/** Returns what to do about a quarantined thing. Every kind has an answer. */
export function adviseOn(item: Pick<QuarantineItem, 'id' | 'kind' | 'releasedAt'>): QuarantineAdvice {
  const advice = ADVICE[item.kind] ?? ACCEPTS;
  if (item.releasedAt !== null) return { action: 'none', command: null, advice };
  return { action: 'inspect_quarantine', command: `holdfast recovery quarantine release ${item.id}`, advice };
}
