/** What the documents promise exists: files they link, npm scripts they name, commands they show. */
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { describe, it } from 'node:test';

const root = resolve(import.meta.dirname, '..');
const documents = globSync(['*.md', 'docs/**/*.md'], { cwd: root }).toSorted();
const read = (path: string): string => readFileSync(resolve(root, path), 'utf8');
const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };

/** Anchors a page has, as the usual renderers make them. */
function listAnchors(text: string): string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} -]/gu, '')
      .replaceAll(' ', '-'),
  );
}

describe('the documents', () => {
  it('are all there', () => {
    for (const name of [
      'README',
      'ARCHITECTURE',
      'GLOSSARY',
      'CONTRIBUTING',
      'CHANGELOG',
      'docs/errors',
      'docs/crash-matrix',
    ]) {
      assert.ok(documents.includes(`${name}.md`), `${name}.md is missing`);
    }
    assert.ok(documents.filter((path) => path.startsWith('docs/adr/')).length >= 4);
  });

  for (const document of documents) {
    const text = read(document);

    it(`${document} links only to what exists`, () => {
      for (const [, target = ''] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
        if (target.startsWith('https://')) continue;
        const [path = '', anchor] = target.split('#');
        const file = path === '' ? document : resolve(root, dirname(document), path);
        assert.ok(existsSync(resolve(root, file)), `${target} does not exist`);
        if (anchor !== undefined) assert.ok(listAnchors(read(file)).includes(anchor), `${target} has no such heading`);
      }
    });

    it(`${document} names only npm scripts and source files that exist`, () => {
      for (const [, name = ''] of text.matchAll(/\bnpm run ([a-z][a-z:]*)/g)) {
        assert.ok(Object.hasOwn(scripts, name), `npm run ${name}`);
      }
      for (const [, path = ''] of text.matchAll(/\b((?:src|test|scripts|bench|examples)\/[\w./-]+\.\w+)\b/g)) {
        assert.ok(existsSync(resolve(root, path)), path);
      }
    });

    it(`${document} names no place of one machine`, () => {
      assert.doesNotMatch(text, /(?:^|[\s"'`(])\/(?:root|home|tmp|work|Users)\//m);
    });
  }

  it('README sets up and runs, and sets up and tests, in one command each', () => {
    const readme = read('README.md');
    for (const last of ['npm run demo', 'npm run check']) {
      assert.match(readme, new RegExp(`^git clone .+ && cd holdfast && npm ci && ${last}$`, 'm'));
    }
  });

  it('.ci/run installs from nothing and runs the test command of the README', () => {
    assert.match(read('.ci/run'), /^npm ci$/m);
    assert.match(read('.ci/run'), /^exec npm run check$/m);
  });
});

describe('decisions', () => {
  const decisions = documents.filter((path) => path.startsWith('docs/adr/'));

  it('are numbered without a gap, under their own number', () => {
    for (const [index, path] of decisions.entries()) {
      assert.match(path, new RegExp(`^docs/adr/${String(index + 1).padStart(4, '0')}-[a-z0-9-]+\\.md$`));
      assert.match(read(path), new RegExp(`^# ${index + 1}\\. `));
    }
  });
});
