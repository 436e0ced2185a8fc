import type { SeededDefect } from './seeded-defect.ts';

/** Defects put into backups and the homes made from them. */
export const BACKUP_DEFECTS: readonly SeededDefect[] = [
  {
    what: 'the files of a backup are not compared with its manifest',
    edits: [
      {
        file: 'src/recovery/backup/verify-backup.ts',
        find: `return found.sha256 === file.sha256 ? null : 'is not what was saved';`,
        replace: 'return null;',
      },
    ],
    file: 'test/crash/backup.test.ts',
    test: 'a backup that was changed is found out',
  },
  {
    what: 'a restored home has no witness of its own database',
    edits: [
      {
        file: 'src/recovery/backup/restore-backup.ts',
        find: '  writeWitness(temporary.database);\n',
        replace: '  void writeWitness;\n',
      },
    ],
    file: 'test/crash/backup.test.ts',
    test: 'killed at any point of a restore',
  },
  {
    what: 'processes of the home it was restored from count as its own',
    edits: [
      {
        file: 'src/keeper/processes.ts',
        find: 'return host === null || host === ownHost ? name : `${host}/${name}`;',
        replace: 'return host === undefined ? null : name;',
      },
    ],
    file: 'test/crash/backup.test.ts',
    test: 'a backup under load has every job',
  },
  {
    what: 'jobs that waited when the backup was made start in the restored home',
    edits: [
      {
        file: 'src/recovery/backup/settle-restored.ts',
        find: 'if (settling.keepQueue)',
        replace: 'if (settled.queued > 0)',
      },
    ],
    file: 'test/crash/backup.test.ts',
    test: 'a backup under load has every job',
  },
  {
    what: 'what a crash left of a backup stays',
    edits: [
      {
        file: 'src/recovery/backup/backup-keeper.ts',
        find: 'await removeTree(unfinishedPath(backup));',
        replace: 'void removeTree;\n    void unfinishedPath;',
      },
    ],
    file: 'test/crash/backup.test.ts',
    test: 'killed at backup.after-database',
  },
  {
    what: 'a job removed between the copy of the database and that of its files is left half in it',
    edits: [
      {
        file: 'src/recovery/backup/collect.ts',
        find: '  if ((await what.ctx.store.getJob(job.id)) === null) throw new Outdated(file.to);\n',
        replace: '',
      },
      {
        file: 'src/recovery/backup/collect.ts',
        find: '  if (!job.files.every(isThere)) throw new Outdated(file.to);\n',
        replace: '  void isThere;\n',
      },
    ],
    file: 'src/recovery/backup/make-backup.test.ts',
    test: 'a job removed while it is made is not in it',
  },
  {
    what: 'a restored home sends what the home it was made of may have sent',
    edits: [
      {
        file: 'src/recovery/backup/settle-restored.ts',
        find: 'settled.callbacks = await settleCallbacks(settling);',
        replace: 'settled.callbacks = await settleCallbacks({ ...settling, keepCallbacks: true });',
      },
    ],
    file: 'test/crash/restore.test.ts',
    test: 'callbacks that were not sent are kept back',
  },
  {
    what: 'a restored home removes resources of the home it was made of',
    edits: [
      {
        file: 'src/recovery/backup/settle-restored.ts',
        find: 'const resources = await leaveResources(store);',
        replace: 'const resources = 0;\n  void leaveResources;',
      },
    ],
    file: 'test/crash/restore.test.ts',
    test: 'a restored home cleans up nothing',
  },
  {
    what: 'a restored job continues a session that was not backed up',
    edits: [
      {
        file: 'src/recovery/backup/settle-restored.ts',
        find: '...(isTerminal(job.state) ? {} : { sessionId: null }),',
        replace: '',
      },
      {
        file: 'src/recovery/backup/settle-restored.ts',
        find: 'import { isActive, isTerminal } from',
        replace: 'import { isActive } from',
      },
    ],
    file: 'test/crash/restore.test.ts',
    test: 'a restored job of several repositories',
  },
];
