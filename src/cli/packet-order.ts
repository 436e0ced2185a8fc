/** Packets that are sent together and name each other: which comes after which, and in which order they can be sent. Pure. */
import { splitDependencies, type Packet } from '../pipeline/packet.ts';

/** A packet of a file that has the form of one. */
export interface OrderedPacket {
  /** Of the file, with its place in it. */
  name: string;
  packet: Packet;
}

/** What a packet comes after. */
export interface Links {
  /** Places of packets that are sent with it. */
  packets: number[];
  /** Everything else: references of jobs, not looked up yet. */
  jobs: string[];
}

export interface PacketOrder {
  /** Of every packet, at its place. */
  links: Links[];
  /** Places in the order of sending: that of the files, but each after those it comes after. Without those of a circle. */
  order: number[];
  /** What is wrong, each with the name of its packet. */
  faults: { at: number; why: string }[];
}

/** Returns what packets come after, and their order. */
export function orderPackets(written: readonly OrderedPacket[]): PacketOrder {
  const places = new Map<string, number>();
  const faults: PacketOrder['faults'] = [];
  for (const [at, { packet }] of written.entries()) {
    const { id } = packet;
    if (id === undefined) continue;
    const first = places.get(id);
    if (first === undefined) places.set(id, at);
    else faults.push({ at, why: `the id "${id}" is that of ${written[first]?.name ?? 'another one'} too` });
  }
  const links = written.map(({ packet }) => linkOne(packet, places));
  for (const [at, { packet }] of written.entries()) {
    const doubtful = splitDependencies(packet).jobs.filter((one) => places.has(one));
    for (const one of doubtful)
      faults.push({ at, why: `"${one}" is the id of a packet, and could be a job: rename it` });
  }
  const order = sortLinks(links);
  for (const circle of findCircles(links, new Set(order))) {
    const [at = 0] = circle;
    const names = [...circle, at].map((place) => written[place]?.packet.id ?? '?');
    faults.push({ at, why: `it comes after itself: ${names.join(' → ')}` });
  }
  return { links, order, faults };
}

function linkOne({ dependencies }: Packet, places: ReadonlyMap<string, number>): Links {
  const names = [...new Set(dependencies)];
  return {
    packets: names.flatMap((name) => places.get(name) ?? []),
    jobs: names.filter((name) => !places.has(name)),
  };
}

/** Always the first in the order of the files that comes after none that is still to be sent. */
function sortLinks(links: readonly Links[]): number[] {
  const order: number[] = [];
  const sent = new Set<number>();
  for (;;) {
    const next = links.findIndex(({ packets }, at) => !sent.has(at) && packets.every((one) => sent.has(one)));
    if (next === -1) return order;
    order.push(next);
    sent.add(next);
  }
}

/** One circle for each group of packets that can never be sent. */
function findCircles(links: readonly Links[], sent: ReadonlySet<number>): number[][] {
  const circles: number[][] = [];
  const seen = new Set<number>();
  for (const start of links.keys()) {
    if (sent.has(start) || seen.has(start)) continue;
    const path: number[] = [];
    let at: number | undefined = start;
    while (at !== undefined && !seen.has(at)) {
      seen.add(at);
      path.push(at);
      at = links[at]?.packets.find((one) => !sent.has(one));
    }
    const from = at === undefined ? -1 : path.indexOf(at);
    if (from !== -1) circles.push(path.slice(from));
  }
  return circles;
}
