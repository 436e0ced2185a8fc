/**
 * Who of the waiting may begin: a pure decision over the heads of the queue. A job of several repositories gets a place
 * in all of them or in none, so nobody waits while holding what another needs, and the order of the queue is the only
 * order there is: no two jobs can wait for each other. While such a job waits, later ones may pass it, but only
 * `MAX_OVERTAKEN` times; then one place in each of its repositories is kept for it until it begins. So it starts as
 * soon as what runs there now has ended, and nobody behind it waits for more than that.
 */

/** How often later jobs may take a place that a waiting job of several repositories needs. */
export const MAX_OVERTAKEN = 4;

export interface Candidate {
  id: string;
  repositories: readonly string[];
  /** How often it was overtaken so far. */
  overtaken: number;
}

export interface ClaimChoice {
  /** Ids to claim, in the order of the queue. */
  claimed: string[];
  /** Waiting jobs that were passed by one or more of those, with their new count. */
  overtaken: { id: string; overtaken: number }[];
}

export interface Claimable {
  /** In the order of the queue. */
  candidates: readonly Candidate[];
  /** Free places by repository; one that is not named cannot be used at all, and nothing is kept for those who need it. */
  room: ReadonlyMap<string, number>;
  /** At most this many. */
  max: number;
}

/** Returns which of the candidates begin now, and whom they overtook. */
export function chooseClaims({ candidates, room, max }: Claimable): ClaimChoice {
  const free = new Map(room);
  const take = (repositories: readonly string[]): void => {
    for (const name of repositories) free.set(name, (free.get(name) ?? 0) - 1);
  };
  const claimed: string[] = [];
  const passed = new Map<string, { repositories: readonly string[]; overtaken: number; before: number }>();
  for (const { id, repositories, overtaken } of candidates) {
    if (claimed.length >= max) break;
    if (repositories.some((name) => !free.has(name))) continue;
    if (repositories.every((name) => (free.get(name) ?? 0) > 0)) {
      claimed.push(id);
      take(repositories);
      for (const waiting of passed.values()) {
        if (waiting.overtaken >= MAX_OVERTAKEN || !waiting.repositories.some((name) => repositories.includes(name)))
          continue;
        waiting.overtaken += 1;
        if (waiting.overtaken === MAX_OVERTAKEN) take(waiting.repositories);
      }
    } else if (repositories.length > 1) {
      if (overtaken >= MAX_OVERTAKEN) take(repositories);
      else passed.set(id, { repositories, overtaken, before: overtaken });
    }
  }
  return {
    claimed,
    overtaken: [...passed].flatMap(([id, { overtaken, before }]) => (overtaken === before ? [] : [{ id, overtaken }])),
  };
}
