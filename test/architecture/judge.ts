/** Holds the facts of all source files against the rules; every finding names file, line, rule and what to look at. */
import { matchesGlob, posix } from 'node:path';
import type { Exception } from './exceptions.ts';
import type { Import, SourceFacts } from './read-source.ts';
import {
  CAPABILITY_OWNERS,
  FORBIDDEN_FOLDERS,
  LAZY_PACKAGES,
  MAX_LINES,
  NARROW_DOORS,
  ROOM_IMPORTS,
  ROOM_PACKAGES,
  TEST_PACKAGES,
  type Capability,
  type Room,
} from './rules.ts';

export type Rule =
  | Capability
  | 'rooms'
  | 'packages'
  | 'imports'
  | 'lazy'
  | 'barrels'
  | 'length'
  | 'docstrings'
  | 'folders'
  | 'suites';

export interface Violation {
  path: string;
  line: number;
  rule: Rule;
  what: string;
}

/** The one file that may re-export: what users of the package import. */
const PUBLIC_ENTRY = 'src/index.ts';

export interface House {
  /** Every source file below src, test, bench and scripts. */
  files: readonly SourceFacts[];
  /** Globs of the test suites: a test file none of them matches would never run. */
  suites: readonly string[];
}

/** Returns every breach of the rules, exceptions not yet taken off. Throws when the tree holds no sources at all. */
export function findViolations(house: House): Violation[] {
  const byPath = new Map(house.files.map((facts) => [facts.path, facts]));
  if (![...byPath.keys()].some((path) => path.startsWith('src/'))) throw new Error('no source file was found');
  const found: Violation[] = [];
  for (const facts of house.files) {
    const report = (rule: Rule, line: number, what: string): void => {
      found.push({ path: facts.path, line, rule, what });
    };
    judgeShape(facts, report);
    judgeImports(facts, byPath, report);
    if (isTest(facts.path)) {
      if (facts.path.endsWith('.test.ts') && !house.suites.some((glob) => matchesGlob(facts.path, glob))) {
        report('suites', 1, 'no suite of scripts/test-suites.ts runs this test');
      }
    } else if (facts.path.startsWith('src/')) {
      judgeUses(facts, report);
    }
  }
  return [...found, ...findEagerPackages(byPath)];
}

type Report = (rule: Rule, line: number, what: string) => void;

/** Tests, conformance suites and what only they use. */
function isTest(path: string): boolean {
  return /\.(?:test|testsuite|fixture)\.ts$|\/conformance\//.test(path) || path.startsWith('test/');
}

/** Room of a file below src, or null (outside, or directly in src). */
function roomOf(path: string): string | null {
  const [top, room, ...rest] = path.split('/');
  return top === 'src' && room !== undefined && rest.length > 0 ? room : null;
}

function isRoom(name: string): name is Room {
  return Object.hasOwn(ROOM_IMPORTS, name);
}

function judgeShape(facts: SourceFacts, report: Report): void {
  const { path } = facts;
  if (facts.lines > MAX_LINES) report('length', facts.lines, `${facts.lines} lines; at most ${MAX_LINES}`);
  for (const folder of path.split('/').slice(0, -1)) {
    if (FORBIDDEN_FOLDERS.has(folder)) report('folders', 1, `a folder named by kind: ${folder}/`);
  }
  if (path.startsWith('src/') && path !== PUBLIC_ENTRY) {
    const room = roomOf(path);
    if (room === null) report('rooms', 1, 'a file in no room');
    else if (!isRoom(room)) report('rooms', 1, `no room of the import table: ${room}`);
    for (const line of facts.starExports) report('barrels', line, 'export * hides what it exports');
    if (facts.onlyReexports) report('barrels', 1, 'nothing but re-exports');
    if (!isTest(path)) {
      for (const { name, line } of facts.undocumented) report('docstrings', line, `${name} has no docstring`);
    }
  }
}

function judgeImports(facts: SourceFacts, byPath: ReadonlyMap<string, SourceFacts>, report: Report): void {
  for (const entry of facts.imports) {
    const { specifier, line } = entry;
    if (specifier.startsWith('.')) {
      const target = posix.join(posix.dirname(facts.path), specifier);
      judgeRelative({ facts, entry, target, exists: byPath.has(target) }, report);
    } else if (/^(?:\/|file:|#)/.test(specifier)) {
      report('imports', line, `only relative paths, packages and node: modules: ${specifier}`);
    } else if (!specifier.startsWith('node:')) {
      judgePackage(facts.path, entry, report);
    }
  }
}

function judgeRelative(
  { facts, entry, target, exists }: { facts: SourceFacts; entry: Import; target: string; exists: boolean },
  report: Report,
): void {
  const { line, specifier } = entry;
  if (!target.endsWith('.ts')) {
    // Data read as a file, and the compiled twin of a program, are named by URL only.
    if (entry.kind !== 'url') report('imports', line, `the exact .ts name is missing: ${specifier}`);
    return;
  }
  if (!exists) report('imports', line, `no such file: ${specifier}`);
  if (!facts.path.startsWith('src/')) return;
  if (!target.startsWith('src/')) {
    if (!isTest(facts.path)) report('rooms', line, `src may not know ${target}`);
    return;
  }
  if (!isTest(facts.path) && isTest(target)) report('rooms', line, `a test is imported: ${target}`);
  const from = roomOf(facts.path);
  const to = roomOf(target);
  if (from === null || to === null || from === to || !isRoom(from)) return;
  // A test may speak the vocabulary, whatever its room may.
  const allowed: readonly string[] = isTest(facts.path) ? [...ROOM_IMPORTS[from], 'lifecycle'] : ROOM_IMPORTS[from];
  if (!allowed.includes(to)) {
    report('rooms', line, `${from} may not import ${to} (${specifier})`);
    return;
  }
  const door = NARROW_DOORS.find((narrow) => narrow.from === from && narrow.to === to);
  if (door !== undefined && !door.paths.some((path) => target.startsWith(path))) {
    report('rooms', line, `${from} may import only ${door.paths.join(' and ')} of ${to} (${specifier})`);
  }
}

function judgePackage(path: string, entry: Import, report: Report): void {
  const room = roomOf(path);
  if (room === null || !isRoom(room)) return;
  const allowed = [...(ROOM_PACKAGES[room] ?? []), ...(isTest(path) ? TEST_PACKAGES : [])];
  const { specifier } = entry;
  const fits = allowed.some((name) =>
    name.endsWith('/') ? specifier.startsWith(name) : specifier === name || specifier.startsWith(`${name}/`),
  );
  if (!fits) report('packages', entry.line, `${room} may not use the package ${specifier}`);
}

function judgeUses(facts: SourceFacts, report: Report): void {
  for (const { capability, what, line } of facts.uses) {
    const owners = CAPABILITY_OWNERS[capability];
    if (owners.some((owner) => facts.path.startsWith(owner))) continue;
    report(capability, line, `${what}: only ${owners.join(' and ')} may`);
  }
}

/** Follows the static imports of values from each entry; names the path by which a lazy package is loaded anyway. */
function findEagerPackages(byPath: ReadonlyMap<string, SourceFacts>): Violation[] {
  const found: Violation[] = [];
  for (const { entry, package: name, why } of LAZY_PACKAGES) {
    const chains = new Map<string, string[]>([[entry, [entry]]]);
    for (const [path, chain] of chains) {
      for (const { specifier, kind, typeOnly, line } of byPath.get(path)?.imports ?? []) {
        if (kind !== 'static' || typeOnly) continue;
        if (specifier === name || specifier.startsWith(`${name}/`)) {
          found.push({ path, line, rule: 'lazy', what: `${why}; loaded by ${chain.join(' → ')}` });
        }
        if (!specifier.startsWith('.')) continue;
        const target = posix.join(posix.dirname(path), specifier);
        if (!chains.has(target)) chains.set(target, [...chain, target]);
      }
    }
  }
  return found;
}

/** Returns the violations no exception covers, and the exceptions that cover none. */
export function applyExceptions(
  violations: readonly Violation[],
  exceptions: readonly Exception[],
): { left: Violation[]; unused: Exception[] } {
  const covers = (exception: Exception, violation: Violation): boolean =>
    exception.path === violation.path && exception.rule === violation.rule;
  return {
    left: violations.filter((violation) => !exceptions.some((exception) => covers(exception, violation))),
    unused: exceptions.filter((exception) => !violations.some((violation) => covers(exception, violation))),
  };
}
