/**
 * The house rules about who may know what, as tables: the import table of the rooms, the packages each room may use,
 * and the owner of every dangerous capability. ARCHITECTURE.md shows the first two.
 */

export const ROOM_IMPORTS = {
  kernel: [],
  lifecycle: ['kernel'],
  keeper: ['kernel'],
  store: ['kernel', 'lifecycle'],
  workspace: ['kernel', 'lifecycle'],
  agents: ['kernel', 'lifecycle'],
  queue: ['kernel', 'lifecycle', 'store'],
  callbacks: ['kernel', 'lifecycle', 'store'],
  statistics: ['kernel', 'lifecycle', 'store'],
  pipeline: ['kernel', 'lifecycle', 'store', 'queue'],
  attempts: ['kernel', 'lifecycle', 'store', 'queue', 'keeper', 'workspace', 'agents'],
  recovery: ['kernel', 'lifecycle', 'store', 'queue', 'keeper', 'workspace', 'attempts', 'callbacks'],
  api: ['kernel', 'lifecycle', 'store', 'queue', 'pipeline', 'statistics', 'recovery'],
  server: [
    'kernel',
    'lifecycle',
    'keeper',
    'store',
    'workspace',
    'agents',
    'queue',
    'callbacks',
    'statistics',
    'pipeline',
    'attempts',
    'recovery',
    'api',
  ],
  cli: ['kernel', 'lifecycle', 'pipeline', 'workspace', 'api', 'server'],
} as const satisfies Record<string, readonly string[]>;
export type Room = keyof typeof ROOM_IMPORTS;

/** What a room shows to another that may not see the rest of it. */
export const NARROW_DOORS: readonly { from: Room; to: Room; paths: readonly string[] }[] = [
  { from: 'cli', to: 'api', paths: ['src/api/contract.ts', 'src/api/contract/'] },
  // A packet is judged before it is sent, by the rules it will be judged by.
  { from: 'cli', to: 'pipeline', paths: ['src/pipeline/packet.ts'] },
  // What an operator takes up comes over HTTP and is put into a directory of theirs by the same careful git (ADR 0030).
  { from: 'cli', to: 'workspace', paths: ['src/workspace/check-out.ts', 'src/workspace/apply-patch.ts'] },
];

/** npm packages by room; `@scope/` allows the scope. A room without a row uses none. */
export const ROOM_PACKAGES: Partial<Record<Room, readonly string[]>> = {
  pipeline: ['zod', 'sax'],
  api: ['fastify', '@fastify/', 'fastify-type-provider-zod', 'zod'],
  server: ['fastify', 'zod', 'pino', 'prom-client'],
  cli: ['commander', 'picocolors', 'eventsource-parser', 'yaml'],
};

/** Packages every unit test may use beside those of its room. */
export const TEST_PACKAGES: readonly string[] = ['fast-check', 'eventsource-parser', 'standardwebhooks'];

/** Who starts without what: no static import of values may lead from `entry` to `package`. */
export const LAZY_PACKAGES: readonly { entry: string; package: string; why: string }[] = [
  { entry: 'src/cli/main.ts', package: 'fastify', why: 'only `serve` loads the HTTP framework' },
];

export type Capability =
  | 'child processes'
  | 'signals'
  | 'sqlite'
  | 'wall clock'
  | 'environment'
  | 'git command'
  | 'file writes';

/** Paths (a room, or a file) that own a capability; nobody else may use it, tests apart. */
export const CAPABILITY_OWNERS: Readonly<Record<Capability, readonly string[]>> = {
  'child processes': ['src/keeper/', 'src/workspace/'],
  signals: ['src/keeper/'],
  sqlite: ['src/store/'],
  'wall clock': ['src/kernel/'],
  environment: ['src/cli/', 'src/keeper/environment.ts'],
  'git command': ['src/workspace/safe-git.ts'],
  'file writes': ['src/kernel/durable.ts'],
};

/** Names of node:fs that change what is on disk; `openSync` alone is not among them, because reading needs it. */
export const WRITING_NAMES: ReadonlySet<string> = new Set(
  ['appendFile', 'copyFile', 'cp', 'fdatasync', 'fsync', 'ftruncate', 'link', 'rename', 'symlink', 'truncate']
    .concat(['write', 'writeFile', 'writev'])
    .flatMap((name) => [name, `${name}Sync`])
    .concat(['createWriteStream']),
);

export const MAX_LINES = 400;

/** Folders named by kind instead of by what they hold. */
export const FORBIDDEN_FOLDERS: ReadonlySet<string> = new Set(['common', 'helpers', 'lib', 'misc', 'types', 'utils']);
