/**
 * The keeper: owns one attempt from its claim to its exit record and outlives every server. It needs no network, no
 * database and no other file of Holdfast once it runs; an upgrade may replace them under it. Steps and their order are
 * the protocol: each is durable before the next begins.
 */
import { armFailpoints, failpoint } from '../../kernel/failpoints.ts';
import { messageOf } from '../../kernel/result.ts';
import { readKeeperEnvironment } from '../environment.ts';
import { readHostIdentity, readOwnIdentity } from '../host-identity.ts';
import { claimAttempt } from './claim.ts';
import { resolveCommand } from './command.ts';
import { closeInherited } from './inherited.ts';
import { Keeper } from './keeper.ts';
import { log, openLog } from './log.ts';
import { readSpecification } from './specification.ts';

/** Exit codes of the keeper itself; nobody decides by them, they are for the log of whoever started it. */
const EXIT = { done: 0, failed: 1, usage: 2, notOurs: 3 } as const;

async function main(runDir: string | undefined): Promise<number> {
  if (runDir === undefined) return EXIT.usage;
  closeInherited();
  process.chdir(runDir);
  openLog();
  armFailpoints(readKeeperEnvironment().failpoints);
  // After the claim nothing unforeseen may end the keeper: an agent without one loses its exit code.
  process.on('uncaughtException', (error) => log(`unexpected: ${error.stack ?? messageOf(error)}`));
  process.on('unhandledRejection', (error) => log(`unexpected: ${messageOf(error)}`));
  const { attempt, spec } = readSpecification();
  const identity = readHostIdentity();
  const self = readOwnIdentity();
  const command = resolveCommand(spec);
  failpoint('keeper.before-claim');
  const claim = claimAttempt({ attempt, host: spec.host, identity, self });
  if (claim === null) return EXIT.notOurs;
  const keeper = new Keeper({ attempt, spec, boot: identity.boot, self, claim });
  process.on('SIGTERM', () => keeper.hostStops());
  process.on('SIGINT', () => keeper.hostStops());
  process.on('SIGHUP', () => undefined);
  return (await keeper.run(command)) ? EXIT.done : EXIT.failed;
}

try {
  process.exit(await main(process.argv[2]));
} catch (error) {
  log(messageOf(error));
  process.exit(EXIT.failed);
}
