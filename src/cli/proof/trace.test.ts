import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readWrites } from './trace.ts';

const ROOTS = ['/home/x', '/repository'];

function outside(...lines: string[]): string[] {
  return readWrites(lines.join('\n'), ROOTS).outside;
}

test('what is written inside, read anywhere, or refused, is fine', () => {
  const lines = [
    '7 openat(AT_FDCWD</home/x>, "db", O_RDWR|O_CREAT|O_CLOEXEC, 0600) = 5</home/x/db>',
    '7 openat(AT_FDCWD</home/x>, "/etc/passwd", O_RDONLY) = 6</etc/passwd>',
    '7 openat(AT_FDCWD</home/x>, "/dev/null", O_WRONLY) = 6</dev/null>',
    '7 mkdir("/etc/x", 0777) = -1 EACCES (Permission denied)',
    '7 mkdir("jobs", 0700)   = 0',
    '7 symlink("/etc/passwd", "jobs/link") = 0',
    '7 +++ exited with 0 +++',
  ];
  const { count, open } = readWrites(lines.join('\n'), ROOTS);
  assert.deepEqual([outside(...lines), count, open], [[], 4, 0]);
});

test('what is written outside is named, whoever wrote it and however it is told', () => {
  assert.deepEqual(outside('7 openat(AT_FDCWD</a>, "b", O_WRONLY|O_TRUNC) = 3</a/b>'), ['/a/b']);
  assert.deepEqual(outside('7 renameat2(AT_FDCWD</home/x>, "a", 4</tmp>, "b", RENAME_NOREPLACE) = 0'), ['/tmp/b']);
  const begun = '8 openat(AT_FDCWD</tmp/y>, "/etc/ld.so.cache", O_RDONLY|O_CLOEXEC) = 3</etc/ld.so.cache>';
  assert.deepEqual(outside(begun, '8 unlink("z")    = 0'), ['/tmp/y/z']);
  assert.deepEqual(outside(begun, '8 chdir("..") = 0', '8 rmdir("z") = 0'), ['/tmp/z']);
  const halves = ['8 mkdir("deep", 0777 <unfinished ...>', '9 chdir("/") = 0', '8 <... mkdir resumed>) = 0'];
  assert.deepEqual(outside(begun, ...halves), ['/tmp/y/deep']);
  assert.deepEqual(outside('7 mkdir("/home/xy", 0777) = 0'), ['/home/xy'], 'a name that only begins alike');
});
