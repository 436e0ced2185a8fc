import type { SeededDefect } from './seeded-defect.ts';

/** Defects put into live connections. */
export const LIVE_DEFECTS: readonly SeededDefect[] = [
  {
    what: 'a stream takes events from memory that do not begin where it is',
    edits: [
      {
        file: 'src/api/event-backlog.ts',
        find: 'if (this.#floor === null || after < this.#floor) return ',
        replace: 'if (this.#floor === null) return ',
      },
    ],
    file: 'src/api/event-stream.test.ts',
    test: 'readers as slow as they like',
  },
  {
    what: 'an event committed between the page of the store and the live feed is skipped',
    edits: [
      {
        file: 'src/api/event-stream.ts',
        find: "return { bytes: Buffer.from(events.map(formatEvent).join('')), seq: last.seq };",
        replace: "return { bytes: Buffer.from(events.map(formatEvent).join('')), seq: await store.getLastSeq() };",
      },
    ],
    file: 'src/api/event-stream.test.ts',
    test: 'readers as slow as they like',
  },
  {
    what: 'a client that takes nothing is never closed',
    edits: [
      {
        file: 'src/api/sse.ts',
        find: 'if (response.writableLength === 0) {',
        replace: 'if (response.writableLength >= 0) {',
      },
    ],
    file: 'src/api/live-connections.test.ts',
    test: 'M11: a client that takes nothing',
  },
  {
    what: 'a client is closed for being silent when there was nothing to take',
    edits: [
      {
        file: 'src/api/sse.ts',
        find: 'if (response.writableLength === 0) {',
        replace: 'if (response.writableLength < 0) {',
      },
    ],
    file: 'src/api/live-connections.test.ts',
    test: 'M11: a client that takes nothing',
  },
  {
    what: 'of a transcript more is sent than was announced',
    edits: [
      {
        file: 'src/api/routes/transcript.ts',
        find: '{ start: 0, end: size - 1, autoClose }',
        replace: '{ start: 0, autoClose }',
      },
    ],
    file: 'src/api/transcript.test.ts',
    test: 'a transcript that grows while it is sent',
  },
  {
    what: 'a refused upload cuts the connection under the next request',
    edits: [
      {
        file: 'src/api/read-body.ts',
        find: 'if (!raw.complete) raw.socket.destroy();',
        replace: 'raw.socket.destroy();',
      },
    ],
    file: 'src/api/routes/files.test.ts',
    test: 'an upload that was refused early',
  },
];
