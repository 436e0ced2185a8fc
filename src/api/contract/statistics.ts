import { z } from 'zod';
import { pageOf } from './common.ts';

export const statisticsQuerySchema = z.strictObject({
  repository: z.string().min(1).max(64).optional(),
  agent: z.string().min(1).max(64).optional(),
});

const spanSchema = z.int().min(0);

const durationsSchema = z
  .strictObject({
    samples: z.int().min(1),
    p50Ms: spanSchema.meta({ description: 'Median, within 3.2 %.' }),
    p90Ms: spanSchema.meta({ description: '90th percentile, within 3.2 %.' }),
  })
  .meta({ id: 'Durations' });

const statisticSchema = z
  .strictObject({
    repository: z.string().nullable().meta({
      description: 'Of several the first; null together with `agent` for pairs that are not kept apart any more.',
    }),
    agent: z.string().nullable(),
    ended: z
      .strictObject({ success: z.int(), failure: z.int(), cancelled: z.int(), timed_out: z.int() })
      .meta({ description: 'How jobs ended; a job that was retried counts once for each round.' }),
    failureRate: z
      .number()
      .min(0)
      .max(1)
      .nullable()
      .meta({ description: 'Failed or timed out, of those that were not cancelled; null when there is none.' }),
    stages: z
      .strictObject({
        waiting: durationsSchema.nullable(),
        preparing: durationsSchema.nullable(),
        running: durationsSchema.nullable(),
        whole: durationsSchema.nullable(),
      })
      .meta({ description: 'In the queue, until the agent starts, while it works, and all of that; null: no sample.' }),
    leftOut: z
      .strictObject({ downtime: z.int(), clock: z.int() })
      .meta({ description: 'Ended jobs of which a duration is not counted: no server saw it, or the clock was set.' }),
  })
  .meta({ id: 'Statistic' });
export type StatisticView = z.infer<typeof statisticSchema>;

export const statisticsPageSchema = pageOf(statisticSchema)
  .extend({
    complete: z.boolean().meta({ description: 'False while what was missed is still being read from the journal.' }),
    throughSeq: z.int().meta({ description: 'Journal sequence up to which everything is counted.' }),
  })
  .meta({ id: 'StatisticsPage' });
export type StatisticsPageView = z.infer<typeof statisticsPageSchema>;

export const estimateSchema = z
  .strictObject({
    startInMs: spanSchema
      .nullable()
      .meta({ description: 'Until it begins; null unless it waits and that can be told.' }),
    remainingMs: spanSchema.nullable().meta({
      description: 'Until its agent has ended; null unless it is at work, and once it takes longer than usual.',
    }),
    durationP50Ms: spanSchema
      .nullable()
      .meta({ description: 'How long agents usually work here: the median; null for fewer than 5 samples.' }),
    durationP90Ms: spanSchema.nullable().meta({ description: 'The 90th percentile.' }),
    samples: z.int().min(0).meta({ description: 'Ended jobs of its repository and agent that were timed.' }),
  })
  .meta({ id: 'Estimate' });
export type EstimateView = z.infer<typeof estimateSchema>;
