import type { SeededDefect } from './seeded-defect.ts';

/** Defects put into callbacks and their outbox. */
export const CALLBACK_DEFECTS: readonly SeededDefect[] = [
  {
    what: 'a message that is sent again gets another id',
    edits: [
      {
        file: 'src/callbacks/callbacks.ts',
        find: "'webhook-id': delivery.id,",
        replace: "'webhook-id': `${delivery.id}-${delivery.tries}`,",
      },
    ],
    file: 'test/crash/callbacks.test.ts',
    test: 'killed at callbacks.after-send',
  },
  {
    what: 'what a dead server was sending is left as it is',
    edits: [
      {
        file: 'src/store/sqlite/claim-deliveries.ts',
        find: `SELECT id FROM deliveries WHERE state = 'sending' ORDER BY number`,
        replace: `SELECT id FROM deliveries WHERE state = 'sending' AND number < 0 ORDER BY number`,
      },
    ],
    file: 'test/crash/callbacks.test.ts',
    test: 'killed at callbacks.before-send',
  },
  {
    what: 'later messages of a job do not wait for earlier ones',
    edits: [
      {
        file: 'src/store/sqlite/deliveries.ts',
        find: 'nextAt: headOfLane(session.sql, input) === null ? session.at : null,',
        replace: 'nextAt: session.at,',
      },
    ],
    file: 'src/callbacks/outbox.test.ts',
    test: 'keeps the order of a job through failures',
  },
  {
    what: 'the addresses of a name are not looked at when it is sent to',
    edits: [
      {
        file: 'src/callbacks/guard.ts',
        find: 'const addresses = await lookup(name);\n    check(url, addresses);',
        replace: 'const addresses = await lookup(name);',
      },
    ],
    file: 'src/callbacks/send.test.ts',
    test: 'sends nothing to an address that is not allowed',
  },
  {
    what: 'a target that said 410 is asked again and again',
    edits: [
      {
        file: 'src/store/sqlite/deliveries.ts',
        find: 'if (outcome.gone) disableTarget(session, record, actor);',
        replace: '',
      },
    ],
    file: 'test/crash/callbacks.test.ts',
    test: 'receivers that are away, gone, slow or sly',
  },
  {
    what: 'a new secret that a crash left unrecorded is taken for one that never was',
    edits: [
      {
        file: 'src/callbacks/rotate-secret.ts',
        find: 'const isDone = sha256(secrets.reload().current) === open.secretSha256;',
        replace: 'const isDone = false;',
      },
    ],
    file: 'src/callbacks/rotate-secret.test.ts',
    test: 'cut off at',
  },
  {
    what: 'a kept time is forgotten at a start',
    edits: [
      {
        file: 'src/store/sqlite/claim-deliveries.ts',
        find: 'session.at + MAX_DELIVERY_WAIT_MS,',
        replace: 'session.at,',
      },
    ],
    file: 'test/crash/callbacks.test.ts',
    test: 'a time that was kept',
  },
];
