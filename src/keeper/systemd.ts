/**
 * Under systemd a keeper in our own cgroup would die with us (`systemctl kill`, KillMode=control-group), so it gets a
 * transient unit of its own. Pure: detection and arguments only.
 */
import type { LaunchEnvironment } from './environment.ts';

export type SystemdManager = 'none' | 'system' | 'user';

/**
 * Returns which systemd manages this process. Both signs are needed: INVOCATION_ID is inherited by every child of a
 * service, also by a shell in a terminal; only the cgroup says that this process still belongs to one. A service of the
 * system that runs as another user than root may not ask for units: it counts as `none`, and relies on its own unit's
 * KillMode=process.
 * `cgroup` is the text of /proc/self/cgroup.
 */
export function detectSystemd(environment: LaunchEnvironment, cgroup: string): SystemdManager {
  if (environment.invocationId === null) return 'none';
  const line =
    cgroup.split('\n').find((one) => one.startsWith('0::')) ??
    cgroup.split('\n').find((one) => /:name=systemd:/.test(one));
  const path = line?.slice(line.indexOf(':', line.indexOf(':') + 1) + 1) ?? '';
  if (!path.endsWith('.service')) return 'none';
  if (/\/user@\d+\.service\/./.test(path)) return 'user';
  return environment.uid === 0 ? 'system' : 'none';
}

/**
 * Returns the argument list of `systemd-run` that starts `command` in a unit named after the attempt. The name is a
 * second guard against two keepers: systemd refuses a unit that exists.
 */
export function buildSystemdRun(what: {
  manager: 'system' | 'user';
  attemptId: string;
  runDir: string;
  log: string;
  environment: Record<string, string>;
  command: readonly string[];
}): string[] {
  return [
    'systemd-run',
    ...(what.manager === 'user' ? ['--user'] : []),
    '--quiet',
    '--collect',
    '--slice=holdfast-agents.slice',
    '-p',
    'OOMPolicy=continue',
    `--unit=holdfast-${what.attemptId}`,
    `--working-directory=${what.runDir}`,
    '-p',
    `StandardOutput=append:${what.log}`,
    '-p',
    `StandardError=append:${what.log}`,
    ...Object.entries(what.environment).map(([name, value]) => `--setenv=${name}=${value}`),
    '--',
    // systemd expands $NAME in the command of a unit; $$ stands for one dollar.
    ...what.command.map((part) => part.replaceAll('$', '$$$$')),
  ];
}
