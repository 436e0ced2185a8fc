/**
 * A program that behaves like the command line of a container engine, as far as Holdfast uses one: containers and
 * networks are files named by their full id that hold their name. It notes every call.
 */
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const PROGRAM = `#!/bin/sh
here=$(dirname "$0")
echo "$*" >>"$here/calls"
if [ -e "$here/down" ]; then echo "Cannot connect to the Docker daemon" >&2; exit 1; fi
kind=$1; verb=$2; shift 2
for last in "$@"; do :; done
find_id() {
  if [ -e "$here/$kind/$last" ]; then echo "$last"; else grep -l "^$last$" "$here/$kind"/* 2>/dev/null | sed 's:.*/::' | head -n 1; fi
}
id=$(find_id)
if [ -z "$id" ]; then echo "Error response from daemon: No such $kind: $last" >&2; exit 1; fi
case $verb in
  inspect) created=$(cat "$here/created.$id" 2>/dev/null || date -u -d "@$(stat -c %Y "$here/$kind/$id")" +%Y-%m-%dT%H:%M:%SZ)
    printf '[{"Id":"%s","Created":"%s"}]\\n' "$id" "$created" ;;
  rm) if [ -e "$here/stubborn" ]; then echo "$kind $last has active endpoints" >&2; exit 1; fi
    if [ -e "$here/slow" ]; then sleep 600; fi
    rm "$here/$kind/$id"; echo "$id" ;;
esac
`;

/** An engine below a directory of a test. */
export class StandInEngine {
  readonly root: string;
  readonly command: [string];

  private constructor(root: string) {
    this.root = root;
    this.command = [join(root, 'engine')];
  }

  static async make(root: string): Promise<StandInEngine> {
    const engine = new StandInEngine(root);
    for (const kind of ['container', 'network']) await mkdir(join(root, kind), { recursive: true });
    await writeFile(engine.command[0], PROGRAM);
    await chmod(engine.command[0], 0o755);
    return engine;
  }

  /** Makes a container or network and returns its full id. `createdAt` in milliseconds since 1970, else now. */
  async add(kind: 'container' | 'network', name: string, createdAt?: number): Promise<string> {
    const id = randomBytes(32).toString('hex');
    await writeFile(join(this.root, kind, id), `${name}\n`);
    if (createdAt !== undefined) await writeFile(join(this.root, `created.${id}`), new Date(createdAt).toISOString());
    return id;
  }

  /** Full ids of what there is. */
  async list(kind: 'container' | 'network'): Promise<string[]> {
    return readdir(join(this.root, kind));
  }

  /** `down`: it answers nothing; `stubborn`: it removes nothing; `slow`: a removal does not return. */
  async misbehave(how: 'down' | 'stubborn' | 'slow'): Promise<void> {
    await writeFile(join(this.root, how), '');
  }

  /** It works as it should again. */
  async behave(): Promise<void> {
    for (const how of ['down', 'stubborn', 'slow']) await rm(join(this.root, how), { force: true });
  }

  /** argv of every call so far. */
  async readCalls(): Promise<string[]> {
    const text = await readFile(join(this.root, 'calls'), 'utf8').catch(() => '');
    return text.split('\n').filter((line) => line !== '');
  }
}
