import { summarise } from '../../statistics/histogram.ts';
import type { Group } from '../../statistics/tally.ts';
import type { Api, RouteContext } from '../api.ts';
import { statisticsPageSchema, statisticsQuerySchema, type StatisticView } from '../contract/statistics.ts';

/** Adds GET /v1/statistics. */
export function addStatisticsRoute(app: Api, { services }: RouteContext): void {
  app.get(
    '/v1/statistics',
    {
      schema: {
        tags: ['statistics'],
        summary: 'How jobs ended and how long they took, by repository and agent',
        querystring: statisticsQuerySchema,
        response: { 200: statisticsPageSchema },
      },
    },
    async (request) => {
      const { repository, agent } = request.query;
      const { groups, complete, throughSeq } = services.statistics.read();
      const items = groups
        .filter((group) => repository === undefined || group.repository === repository)
        .filter((group) => agent === undefined || group.agent === agent)
        .toSorted(compareNames)
        .map(presentGroup);
      return { items, nextCursor: null, complete, throughSeq };
    },
  );
}

/** By name; those that are not kept apart are the last. */
function compareNames(a: Group, b: Group): number {
  const order = (one: string | null, two: string | null): number =>
    one === two ? 0 : one === null || (two !== null && one > two) ? 1 : -1;
  return order(a.repository, b.repository) || order(a.agent, b.agent);
}

function presentGroup({ repository, agent, ended, stages, leftOut }: Group): StatisticView {
  const failed = ended.failure + ended.timed_out;
  const judged = failed + ended.success;
  return {
    repository,
    agent,
    ended,
    failureRate: judged === 0 ? null : failed / judged,
    stages: {
      waiting: summarise(stages.waiting),
      preparing: summarise(stages.preparing),
      running: summarise(stages.running),
      whole: summarise(stages.whole),
    },
    leftOut,
  };
}
