import { fail } from '../../kernel/errors.ts';
import type { RecoveryReport } from '../../lifecycle/report.ts';
import type { Boot } from '../../store/store.ts';
import type { Api, RouteContext } from '../api.ts';
import { noQuerySchema } from '../contract/common.ts';
import { bootPageSchema, bootParamsSchema, recoveryReportSchema } from '../contract/recovery.ts';
import { presentBoot } from '../present.ts';
import type { Services } from '../services.ts';

const tags = ['recovery'];

/** Adds GET /v1/recovery/boots: the last starts and what each found. Answers while the server is recovering. */
export function addRecoveryRoutes(app: Api, { services }: RouteContext): void {
  app.get(
    '/v1/recovery/boots',
    {
      config: { whileRecovering: true },
      schema: {
        tags,
        summary: 'The last starts, newest first',
        querystring: noQuerySchema,
        response: { 200: bootPageSchema },
      },
    },
    async () => {
      const boots = await services.store.listBoots();
      const items = boots.map((boot) => presentBoot({ ...boot, report: reportOf(services, boot) }));
      return { items, nextCursor: null };
    },
  );

  app.get(
    '/v1/recovery/boots/:bootId',
    {
      config: { whileRecovering: true },
      schema: {
        tags,
        summary: 'The recovery report of one start',
        params: bootParamsSchema,
        querystring: noQuerySchema,
        response: { 200: recoveryReportSchema },
      },
    },
    async (request) => {
      const { bootId } = request.params;
      const current = services.currentReport();
      if (current !== null && (bootId === 'latest' || bootId === current.bootId)) return current;
      const boots = await services.store.listBoots();
      const boot = bootId === 'latest' ? boots[0] : boots.find(({ id }) => id === bootId);
      if (boot === undefined) throw fail('not-found', `no start "${bootId}" among the last ones`);
      if (boot.report === null) throw fail('not-found', `start ${boot.id} ended before it wrote its report`);
      return boot.report;
    },
  );
}

/** The report of this very start grows while it runs; the row has it only at the end. */
function reportOf(services: Services, boot: Boot): RecoveryReport | null {
  const current = services.currentReport();
  return current?.bootId === boot.id ? current : boot.report;
}
