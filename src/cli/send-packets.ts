/** Packets of files on their way to the server: all of them are judged before any is sent. */
import { randomUUID } from 'node:crypto';
import type { JobView, NewJobBody } from '../api/contract.ts';
import { fail, isError } from '../kernel/errors.ts';
import { judgePacket } from '../pipeline/packet.ts';
import { orderPackets, type OrderedPacket, type PacketOrder } from './packet-order.ts';
import { readPackets, type WrittenPacket } from './packets.ts';
import { getJob } from './references.ts';
import { cleanLine } from './sanitise.ts';
import type { Context } from './shell.ts';

/** Exit code of what is not there. */
const NOT_FOUND = 3;

/** Packets in the order of their files, and how they hang together. */
export interface ReadyPackets {
  written: readonly WrittenPacket[];
  order: PacketOrder;
}

/** Reads and judges the packets of all files. Throws `bad-packet` that names everything that is wrong. */
export async function readyPackets(paths: readonly string[], cwd: string): Promise<ReadyPackets> {
  const written = (await Promise.all(paths.map((path) => readPackets(path, cwd)))).flat();
  const faults: string[] = [];
  const judged: OrderedPacket[] = [];
  for (const { name, value } of written) {
    const one = judgePacket(value);
    if ('faults' in one) faults.push(`${name}: ${one.faults.join('; ')}`);
    else judged.push({ name, packet: one.packet });
  }
  if (faults.length > 0) throw fail('bad-packet', faults.join('\n'));
  const order = orderPackets(judged);
  const wrong = order.faults.map(({ at, why }) => `${judged[at]?.name ?? ''}: ${why}`);
  if (wrong.length > 0) throw fail('bad-packet', wrong.join('\n'));
  return { written, order };
}

export interface Sending extends ReadyPackets {
  /** What the options say of every job. */
  common: Omit<NewJobBody, 'prompt' | 'command' | 'packet'>;
  /** Null for one of our own. */
  idempotencyKey: string | null;
  /** Told of each job as soon as it is accepted. */
  onSent: (job: JobView, name: string) => Promise<void>;
}

/** Sends packets, each after those it comes after; returns their jobs in the order of the files. Throws `bad-packet`. */
export async function sendPackets(context: Context, sending: Sending): Promise<JobView[]> {
  const { written, order, common, onSent } = sending;
  const known = await lookUp(context, sending);
  const key = sending.idempotencyKey ?? randomUUID();
  const jobs = new Map<number, JobView>();
  for (const at of order.order) {
    const { name, value } = written[at] as WrittenPacket;
    const links = order.links[at] ?? { packets: [], jobs: [] };
    const after = [
      ...(common.after ?? []),
      ...links.packets.flatMap((place) => jobs.get(place)?.id ?? []),
      ...links.jobs.flatMap((reference) => known.get(reference) ?? []),
    ];
    const body = { ...common, packet: value as Record<string, unknown>, ...(after.length === 0 ? {} : { after }) };
    // Of the place in the files: it stays that of the packet, in whatever order they are sent.
    const idempotencyKey = written.length === 1 ? key : `${key}#${at + 1}`;
    const job = await context.client.call<JobView>({ method: 'POST', path: '/v1/jobs', body, idempotencyKey });
    jobs.set(at, job);
    await onSent(job, cleanLine(name));
  }
  return [...jobs.entries()].toSorted(([a], [b]) => a - b).map(([, job]) => job);
}

/** Returns the ids of the jobs packets come after. Throws `bad-packet` that names what is no job and no packet. */
async function lookUp(context: Context, { written, order }: ReadyPackets): Promise<Map<string, string>> {
  const known = new Map<string, string>();
  const faults: string[] = [];
  for (const [at, { jobs }] of order.links.entries()) {
    for (const reference of jobs) {
      if (known.has(reference)) continue;
      try {
        known.set(reference, (await getJob(context, reference)).id);
      } catch (error) {
        const isAmbiguous = isError(error, 'ambiguous-id');
        if (!isError(error) || (error.exit !== NOT_FOUND && !isAmbiguous)) throw error;
        const why = isAmbiguous ? 'is the beginning of several ids' : 'is neither a packet of this call nor a job';
        faults.push(`${written[at]?.name ?? ''}: it depends on "${reference}", which ${why}`);
      }
    }
  }
  if (faults.length > 0) throw fail('bad-packet', faults.join('\n'));
  return known;
}
