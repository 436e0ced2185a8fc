import { mkdir, mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeDurable } from '../../kernel/durable.ts';
import { homeLayout } from '../../lifecycle/home.ts';
import { createDemoRepository } from '../../server/demo-repository.ts';
import { endAttemptsOfHome, killServer, stopServer } from '../../server/control.ts';
import { startDetachedServer } from '../../server/detach.ts';
import { findServer } from '../address.ts';
import { Client } from '../client.ts';
import type { Shell } from '../shell.ts';

/** Everything a demo makes: a home with a server of its own, a repository, and a folder only the process writes to. */
export interface World {
  home: string;
  repository: string;
  witness: string;
  client: Client;
  /** Starts a server on any free port and returns it once it accepts work. */
  startServer(): Promise<{ url: string; pid: number }>;
  /** SIGKILLs the server and returns its pid once it is gone. */
  killServer(): Promise<number>;
  /** Ends everything that was started and removes everything that was made. */
  end(): Promise<void>;
}

/** Makes the folders and the repository of a demo in a temporary directory; starts nothing yet. */
export async function createWorld(shell: Shell, configuration: object | null): Promise<World> {
  const root = await realpath(await mkdtemp(join(tmpdir(), 'holdfast-demo-')));
  const [home, repository, witness] = [join(root, 'home'), join(root, 'greetings'), join(root, 'witness')];
  try {
    for (const folder of [home, witness]) await mkdir(folder, { mode: 0o700 });
    if (configuration !== null) {
      await writeDurable(homeLayout(home).configFile, JSON.stringify(configuration));
    }
    await createDemoRepository(repository, shell.env['PATH']);
  } catch (error) {
    await rm(root, { recursive: true, force: true });
    throw error;
  }
  return {
    home,
    repository,
    witness,
    client: new Client({
      find: () => findServer({ home, url: null, token: null, certificateFile: null }),
      notice: () => undefined,
      interrupted: shell.interrupted,
    }),
    startServer: () => startDetachedServer({ home, env: shell.env, port: 0, signal: shell.interrupted }),
    async killServer() {
      const pid = await killServer(home);
      if (pid === null) throw new Error('the server of the demo was not alive when it was to be killed');
      return pid;
    },
    async end() {
      // The server first: an agent that ends under its eyes would be continued by a new attempt.
      await stopServer(home).catch(() => killServer(home));
      await endAttemptsOfHome(home);
      await rm(root, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
