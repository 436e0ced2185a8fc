/** An agent that adds a letter to a file of each repository, by which it is seen how many attempts worked in one tree. */
import assert from 'node:assert/strict';
import type { World } from '../support/world.ts';

/** The repositories of such a job: `demo`, and `lib` from `registerAnother`. */
export const BOTH = { repository: undefined, repositories: ['demo', 'lib'] };

/** A job whose every attempt that begins adds its letters, says `did`, and ends with these steps. */
export function letters(...ending: object[]): Record<string, unknown> {
  const append = (path: string): object => ({ append: { path, content: 'x' } });
  const steps = [append('demo/letters.txt'), append('lib/letters.txt'), { print: 'did' }, ...ending];
  return { ...BOTH, agent: 'scripted', prompt: JSON.stringify({ steps }) };
}

/** Whether so many attempts left their letter in the same tree of each repository. */
export async function hasLetters(world: World, { id }: { id: string }, attempts: number): Promise<boolean> {
  const diff = await readDiff(world, id);
  const added = `\n\\+${'x'.repeat(attempts)}$`;
  return ['demo', 'lib'].every((name) =>
    new RegExp(`\\+\\+\\+ b/${name}/letters\\.txt\n[^\n]*${added}`, 'm').test(diff),
  );
}

/** Asserts that. */
export async function assertLetters(world: World, job: { id: string }, attempts: number): Promise<void> {
  assert.ok(await hasLetters(world, job, attempts), await readDiff(world, job.id));
}

async function readDiff(world: World, id: string): Promise<string> {
  return String((await world.api('GET', `/v1/jobs/${id}/diff`)).body);
}
