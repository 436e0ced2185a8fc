import { Gauge, type Registry } from 'prom-client';
import { STAGES } from '../statistics/course.ts';
import { summarise } from '../statistics/histogram.ts';
import type { Statistics } from '../statistics/statistics.ts';

/** Adds what was counted of ended jobs to a registry; returns what brings it up to date. */
export function observeStatisticsIn(registry: Registry, statistics: Pick<Statistics, 'read'>): () => void {
  const registers = [registry];
  const labelNames = ['repository', 'agent'];
  const ended = new Gauge({
    name: 'holdfast_jobs_ended',
    help: 'Rounds of jobs that ended, by repository, agent and outcome; empty names stand for those not kept apart',
    labelNames: [...labelNames, 'outcome'],
    registers,
  });
  const duration = new Gauge({
    name: 'holdfast_job_duration_ms',
    help: 'Duration of the stages of ended jobs in milliseconds, within 3.2 %, by quantile',
    labelNames: [...labelNames, 'stage', 'quantile'],
    registers,
  });
  const through = new Gauge({
    name: 'holdfast_statistics_seq',
    help: 'Journal sequence up to which ended jobs are counted',
    registers,
  });
  return () => {
    const { groups, throughSeq } = statistics.read();
    through.set(throughSeq);
    // A group that joined the others is not shown any more.
    ended.reset();
    duration.reset();
    for (const group of groups) {
      const labels = { repository: group.repository ?? '', agent: group.agent ?? '' };
      for (const [outcome, count] of Object.entries(group.ended)) ended.set({ ...labels, outcome }, count);
      for (const stage of STAGES) {
        const durations = summarise(group.stages[stage]);
        if (durations === null) continue;
        duration.set({ ...labels, stage, quantile: '0.5' }, durations.p50Ms);
        duration.set({ ...labels, stage, quantile: '0.9' }, durations.p90Ms);
      }
    }
  };
}
