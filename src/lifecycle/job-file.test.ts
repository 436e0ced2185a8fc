import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { faultOfFileName } from './job-file.ts';

describe('names of uploads', () => {
  it('may be what people call their files', () => {
    const names = [
      'a',
      'notes.txt',
      'Bericht März.pdf',
      '日本語.md',
      '.env',
      '10:30.log',
      'x'.repeat(255),
      'é'.repeat(127),
    ];
    for (const name of [...names, 'console.log', 'communication', 'a..b', '...a']) {
      assert.equal(faultOfFileName(name), null, name);
    }
  });

  it('are refused when they lead elsewhere or mean something else to some tool', () => {
    const paths = ['', '.', '..', '../x', '../../x', '/etc/passwd', 'a/b', 'a\\b', '..\\x'];
    const hidden = [
      'a\0b',
      'a\nb',
      'a\u007fb',
      'a\u0085b',
      'a\u202egpj.exe',
      'a\u2066b',
      'a\u200bb',
      '.g\u200cit',
      'a\u2028b',
      '\ufeffa',
    ];
    const special = [
      '-rf',
      '--help',
      '.git',
      '.GIT',
      '.gitmodules',
      '.gitattributes',
      'git~1',
      'CON',
      'con.txt',
      'nul',
      'LPT1.log',
    ];
    const ends = ['a.', 'a ', 'x'.repeat(256), 'x'.repeat(300), 'é'.repeat(128), 'a\ud800b'];
    for (const name of [...paths, ...hidden, ...special, ...ends]) {
      assert.equal(typeof faultOfFileName(name), 'string', JSON.stringify(name));
    }
  });
});
