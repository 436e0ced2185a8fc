/** Reads one source file into the facts the rules are about, from its syntax tree: strings and comments cannot fool it. */
import { parseSync, Visitor } from 'rolldown/utils';
import { WRITING_NAMES, type Capability } from './rules.ts';

export interface Import {
  specifier: string;
  line: number;
  /** `url` is `new URL('./x.ts', import.meta.url)`: a worker or a program. */
  kind: 'static' | 'dynamic' | 'url';
  typeOnly: boolean;
  /** Imported names; `*` is the whole module, `default` its default export. */
  names: string[];
}

export interface Use {
  capability: Capability;
  what: string;
  line: number;
}

export interface SourceFacts {
  path: string;
  lines: number;
  imports: Import[];
  uses: Use[];
  /** Lines of `export * from`. */
  starExports: number[];
  /** It holds nothing but re-exports. */
  onlyReexports: boolean;
  /** Exported functions without a docstring. */
  undocumented: { name: string; line: number }[];
}

type Parsed = ReturnType<typeof parseSync>;
type Program = Parsed['program'];
type Statement = Program['body'][number];

const FILE_MODULES = new Set(['node:fs', 'node:fs/promises']);
const SPAWN_CALL = /^(?:spawn|exec|execFile|fork)(?:Sync)?$/;

/** Parses `text`; throws when it is not valid TypeScript, because a file that cannot be read proves nothing. */
export function readSource(path: string, text: string): SourceFacts {
  const parsed = parseSync(path, text);
  if (parsed.errors.length > 0) throw new Error(`${path}: ${parsed.errors[0]?.message ?? 'not parsed'}`);
  const lineOf = lineFinder(text);
  const { body } = parsed.program;
  const visited = visitTree(parsed.program, lineOf);
  const imports = [...listStaticImports(body, lineOf), ...visited.imports];
  return {
    path,
    lines: text.split('\n').length - (text.endsWith('\n') ? 1 : 0),
    imports,
    uses: [...imports.flatMap(usesOfImport), ...visited.uses],
    starExports: body.filter((node) => node.type === 'ExportAllDeclaration').map((node) => lineOf(node.start)),
    onlyReexports: body.length > 0 && body.every(isReexport),
    undocumented: listUndocumented(parsed, text, lineOf),
  };
}

function lineFinder(text: string): (offset: number) => number {
  const starts = [0];
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return (offset) => {
    const next = starts.findIndex((start) => start > offset);
    return next === -1 ? starts.length : next;
  };
}

function isReexport(node: Statement): boolean {
  return (node.type === 'ExportNamedDeclaration' && node.source !== null) || node.type === 'ExportAllDeclaration';
}

function listStaticImports(body: readonly Statement[], lineOf: (offset: number) => number): Import[] {
  const imports: Import[] = [];
  const add = (node: { start: number; specifier: string; typeOnly: boolean; names: string[] }): void => {
    const { start, ...rest } = node;
    imports.push({ ...rest, line: lineOf(start), kind: 'static' });
  };
  for (const node of body) {
    if (node.type === 'ImportDeclaration') {
      const names = node.specifiers.map((entry) => {
        if (entry.type === 'ImportNamespaceSpecifier') return '*';
        if (entry.type === 'ImportDefaultSpecifier') return 'default';
        return entry.imported.type === 'Identifier' ? entry.imported.name : entry.imported.value;
      });
      const typeOnly =
        node.importKind === 'type' ||
        (node.specifiers.length > 0 &&
          node.specifiers.every((entry) => entry.type === 'ImportSpecifier' && entry.importKind === 'type'));
      add({ start: node.start, specifier: node.source.value, typeOnly, names });
    } else if (node.type === 'ExportAllDeclaration') {
      add({ start: node.start, specifier: node.source.value, typeOnly: node.exportKind === 'type', names: ['*'] });
    } else if (node.type === 'ExportNamedDeclaration' && node.source !== null) {
      const names = node.specifiers.map((entry) => (entry.local.type === 'Identifier' ? entry.local.name : '*'));
      add({ start: node.start, specifier: node.source.value, typeOnly: node.exportKind === 'type', names });
    }
  }
  return imports;
}

/** Capabilities that come with an import. */
function usesOfImport(entry: Import): Use[] {
  const { specifier, line, names } = entry;
  const use = (capability: Capability, what: string): Use => ({ capability, what, line });
  if (specifier === 'node:child_process') return [use('child processes', specifier)];
  if (specifier === 'node:sqlite') return [use('sqlite', specifier)];
  const whole = names.includes('*') || names.includes('default');
  if (specifier === 'node:process') {
    if (whole || names.includes('env')) return [use('environment', 'the module node:process')];
    return names.includes('kill') ? [use('signals', 'kill of node:process')] : [];
  }
  if (!FILE_MODULES.has(specifier) || entry.typeOnly) return [];
  if (whole) return [use('file writes', `the whole of ${specifier}`)];
  const writing = names.filter((name) => WRITING_NAMES.has(name));
  return writing.length === 0 ? [] : [use('file writes', writing.join(', '))];
}

interface Node {
  type: string;
  start: number;
}

/** Name of a plain or computed member (`a.name`, `a['name']`), else null. */
function memberName(node: Node): string | null {
  if (node.type !== 'MemberExpression') return null;
  const { property } = node as unknown as { property: { type: string; name?: string; value?: unknown } };
  if (property.type === 'Identifier') return property.name ?? null;
  return typeof property.value === 'string' ? property.value : null;
}

/** Whether `node` is the global `name`, also as `globalThis.name`. */
function isGlobal(node: Node, name: string): boolean {
  if (node.type === 'Identifier') return (node as unknown as { name: string }).name === name;
  if (memberName(node) !== name) return false;
  return isGlobal((node as unknown as { object: Node }).object, 'globalThis');
}

function literalText(node: Node | undefined): string | null {
  if (node?.type !== 'Literal') return null;
  const { value } = node as unknown as { value: unknown };
  return typeof value === 'string' ? value : null;
}

/** Every string a choice like `ts ? './a.ts' : './a.js'` can be. */
function choices(node: Node | undefined): string[] {
  if (node?.type === 'ConditionalExpression') {
    const { consequent, alternate } = node as unknown as { consequent: Node; alternate: Node };
    return [...choices(consequent), ...choices(alternate)];
  }
  const text = literalText(node);
  return text === null ? [] : [text];
}

function visitTree(program: Program, lineOf: (offset: number) => number): { imports: Import[]; uses: Use[] } {
  const imports: Import[] = [];
  const uses: Use[] = [];
  const use = (capability: Capability, what: string, node: Node): void => {
    uses.push({ capability, what, line: lineOf(node.start) });
  };
  const reach = (specifier: string, kind: Import['kind'], node: Node): void => {
    imports.push({ specifier, kind, typeOnly: false, names: ['*'], line: lineOf(node.start) });
  };
  new Visitor({
    ImportExpression(node) {
      for (const specifier of choices(node.source)) reach(specifier, 'dynamic', node);
    },
    TSImportType(node) {
      const specifier = literalText(node.source);
      if (specifier !== null) {
        imports.push({ specifier, kind: 'static', typeOnly: true, names: ['*'], line: lineOf(node.start) });
      }
    },
    NewExpression(node) {
      if (isGlobal(node.callee, 'Date') && node.arguments.length === 0) use('wall clock', 'new Date()', node);
      if (!isGlobal(node.callee, 'URL') || node.arguments.length !== 2) return;
      for (const text of choices(node.arguments[0])) {
        if (text.startsWith('.')) reach(text, 'url', node);
      }
    },
    CallExpression(node) {
      if (isGlobal(node.callee, 'Date')) use('wall clock', 'Date()', node);
      const name = node.callee.type === 'Identifier' ? node.callee.name : memberName(node.callee);
      if (name !== null && SPAWN_CALL.test(name) && literalText(node.arguments[0]) === 'git') {
        use('git command', `${name}('git')`, node);
      }
    },
    ArrayExpression(node) {
      if (literalText(node.elements[0] ?? undefined) === 'git') use('git command', "['git', …]", node);
    },
    MemberExpression(node) {
      const name = memberName(node);
      if (name === 'env' && isGlobal(node.object, 'process')) use('environment', 'process.env', node);
      if (name === 'kill' && isGlobal(node.object, 'process')) use('signals', 'process.kill', node);
      if (name === 'now' && isGlobal(node.object, 'Date')) use('wall clock', 'Date.now', node);
    },
    VariableDeclarator(node) {
      if (node.init === null || !isGlobal(node.init, 'process')) return;
      use('environment', 'process itself', node);
    },
  }).visit(program);
  return { imports, uses };
}

function listUndocumented(
  parsed: Parsed,
  text: string,
  lineOf: (offset: number) => number,
): { name: string; line: number }[] {
  const docEnds = parsed.comments
    .filter((comment) => comment.type === 'Block' && comment.value.startsWith('*'))
    .map((comment) => comment.end);
  const isDocumented = (start: number): boolean =>
    docEnds.some((end) => end <= start && text.slice(end, start).trim() === '');
  const missing: { name: string; line: number }[] = [];
  let overloaded: string | null = null;
  for (const node of parsed.program.body) {
    if (node.type !== 'ExportNamedDeclaration' && node.type !== 'ExportDefaultDeclaration') continue;
    const { declaration } = node;
    if (declaration?.type !== 'FunctionDeclaration' && declaration?.type !== 'TSDeclareFunction') continue;
    const name = declaration.id?.name ?? 'default';
    // The docstring of the first overload is that of all.
    if (name !== overloaded && !isDocumented(node.start)) missing.push({ name, line: lineOf(node.start) });
    overloaded = declaration.type === 'TSDeclareFunction' ? name : null;
  }
  return missing;
}
