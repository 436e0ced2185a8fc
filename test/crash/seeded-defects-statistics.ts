import type { SeededDefect } from './seeded-defect.ts';

/** Defects put into what is counted of ended jobs. */
export const STATISTICS_DEFECTS: readonly SeededDefect[] = [
  {
    what: 'the file does not keep how far it counted, so that a crash counts again',
    edits: [
      {
        file: 'src/statistics/statistics-file.ts',
        find: '    ...state,\n    groups: state.groups',
        replace: '    ...state,\n    throughSeq: 0,\n    groups: state.groups',
      },
    ],
    file: 'test/crash/statistics.test.ts',
    test: 'a stop keeps what was counted',
  },
  {
    what: 'a server that is told to stop does not write what it counted',
    edits: [
      {
        file: 'src/statistics/statistics.ts',
        find: '    await this.#writing;\n    await this.#write();',
        replace: '    await this.#writing;',
      },
    ],
    file: 'test/crash/statistics.test.ts',
    test: 'a stop keeps what was counted',
  },
  {
    what: 'a damaged file of statistics is believed',
    edits: [
      {
        file: 'src/statistics/statistics-file.ts',
        find: "if (file['sum'] !== sum)",
        replace: "if (typeof file['sum'] !== 'string')",
      },
    ],
    file: 'test/crash/statistics.test.ts',
    test: 'a damaged file is set aside',
  },
  {
    what: 'the way of a job before a crash is not read again, so that its time is lost',
    edits: [
      {
        file: 'src/statistics/statistics.ts',
        find: '      if (this.#tally.needsCourse(event)) await this.#learn(event);\n',
        replace: '',
      },
    ],
    file: 'src/statistics/statistics.test.ts',
    test: 'comes to the same numbers over any number of crashes',
  },
  {
    what: 'a run counts up to the start that found its end',
    edits: [
      {
        file: 'src/statistics/course.ts',
        find: "return stage !== 'running' || boot.readySeq === null || boot.readySeq > seq;",
        replace: "return stage !== 'running';",
      },
    ],
    file: 'test/crash/statistics.test.ts',
    test: 'a job whose end no server saw counts',
  },
];
