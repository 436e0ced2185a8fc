/** Evidence that is changed after it was recorded: nothing passes on it, the job is set aside, and both are told by name. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { EvidenceView, GateView, PageView } from '../../src/api/contract.ts';
import { sha256 } from '../../src/kernel/hash.ts';
import { until } from '../support/poll.ts';
import { World, type JobView } from '../support/world.ts';

const COMMIT = { commit: 'work' };
const PRINTED = 'the first gate\n';
/** What the second gate, or the second reviewer, does to everything the first one left: it runs as the same user. */
const HARM = {
  flip: 'printf X | dd of="$one" bs=1 count=1 conv=notrunc 2>/dev/null',
  cut: ': > "$one"',
  link: 'ln -sf /etc/hostname "$one"',
  gone: 'rm "$one"',
} as const;

function harm(world: World, how: string): string {
  // Once: gates that are passed anew must pass.
  return `[ -e '${world.witness}/${how}' ] || { : > '${world.witness}/${how}'; for one in ../evidence/* ../../evidence/*; do if [ -e "$one" ]; then ${HARM[how as keyof typeof HARM]}; fi; done; }`;
}

async function submit(world: World, how: string): Promise<JobView> {
  const scenario = { steps: [{ write: { path: 'how', content: how } }, COMMIT] };
  return world.submit({ prompt: JSON.stringify(scenario), agent: 'scripted', pipeline: 'full' });
}

async function listed<T>(world: World, id: string, what: 'gates' | 'evidence'): Promise<T[]> {
  const { status, body } = await world.api('GET', `/v1/jobs/${id}/${what}`);
  assert.equal(status, 200);
  return (body as PageView<T>).items;
}

interface Item {
  id: string;
  kind: string;
  item: string;
  jobId: string | null;
  why: string;
  command: string | null;
}

async function quarantined(world: World, id: string): Promise<Item[]> {
  const { items } = (await world.api('GET', '/v1/quarantine?limit=200')).body as { items: Item[] };
  return items.filter(({ jobId }) => jobId === id);
}

test('evidence changed by a later gate opens nothing: the job and the evidence are set aside, refused and named', async () => {
  await using world = await World.create();
  await world.start();
  const ways = Object.keys(HARM);
  const second = ways.map((how) => `if grep -q ${how} how; then ${harm(world, how)}; fi`).join('; ');
  await world.register({
    verify: [
      ['sh', '-c', `printf '${PRINTED.trim()}\\n'`],
      ['sh', '-c', second],
    ],
  });
  const jobs = new Map<string, JobView>();
  for (const how of ways) jobs.set(how, await submit(world, how));
  for (const [how, { id, number }] of jobs) {
    const end = await world.awaitState(id, 'quarantined', 'ready', 'blocked', 'failed');
    assert.deepEqual([end.state, end.reason], ['quarantined', 'record_corrupt'], how);
    const [first] = await listed<EvidenceView>(world, id, 'evidence');
    const hash = sha256(PRINTED);
    assert.equal(first?.sha256, hash);
    assert.match(end.blocker ?? '', new RegExp(`evidence ${hash} (is|cannot)`));
    assert.deepEqual(
      (await listed<GateView>(world, id, 'gates')).map(({ gate, result }) => [/printf/.test(gate), result]),
      [[true, 'PASS']],
      'what the second gate found is not recorded beside a result that cannot be trusted',
    );
    const refused = await world.api('GET', `/v1/jobs/${number}/evidence/${hash}`);
    assert.deepEqual([refused.status, (refused.body as { code: string }).code], [409, 'evidence-corrupt'], how);
    const items = await quarantined(world, id);
    assert.deepEqual(items.map(({ kind }) => kind).toSorted(), ['evidence', 'quarantined_job']);
    const item = items.find(({ kind }) => kind === 'evidence');
    assert.deepEqual(
      [item?.item, item?.command],
      [join('jobs', id, 'evidence', hash), `holdfast recovery quarantine release ${item?.id ?? ''}`],
    );
  }
  await world.kill();
  await world.start();
  const corruption = await until('history is checked', async () => {
    const found = (await world.readReport()).corruption;
    return found.complete ? found : null;
  });
  assert.equal(corruption.kinds?.['evidence']?.corrupt, ways.length, corruption.files.join('\n'));
  // Released, it passes its gates anew; what was damaged is kept beside what the gate printed now.
  const { id } = jobs.get('flip') ?? { id: '' };
  assert.equal((await world.api('POST', `/v1/quarantine/${id}/release`)).status, 200);
  const end = await world.awaitState(id, 'quarantined', 'ready', 'blocked', 'failed');
  assert.equal(end.state, 'ready', await world.readLog());
  const [item] = await quarantined(world, id);
  assert.match(end.blocker ?? '', /evidence is damaged/, 'until somebody has looked at it');
  assert.equal((await world.api('POST', `/v1/quarantine/${item?.id ?? ''}/release`)).status, 200);
  assert.equal((await world.getJob(id)).blocker, null);
  const kept = readdirSync(world.home.evidence(id));
  assert.ok(kept.includes(sha256(PRINTED)) && kept.includes(`${sha256(PRINTED)}.damaged`), kept.join());
  assert.equal((await world.api('GET', `/v1/jobs/${id}/evidence/${sha256(PRINTED)}`)).body, PRINTED);
});

test('the evidence of a failure that was changed is not told to the agent that fixes it', async () => {
  await using world = await World.create();
  await world.start();
  const go = join(world.witness, 'go');
  await world.register({ verify: [['sh', '-c', `while [ ! -e '${go}' ]; do sleep 0.1; done; echo bad; exit 1`]] });
  const { id, number } = await submit(world, 'none');
  await until('its gate runs', async () =>
    (await world.getAttempts(id)).some(({ stage, state }) => stage === 'verify' && state === 'running'),
  );
  assert.equal((await world.api('POST', `/v1/jobs/${number}/freeze`)).status, 200);
  writeFileSync(go, '');
  await until('it waits', async () => (await listed(world, id, 'gates')).length === 1);
  const path = join(world.home.evidence(id), sha256('bad\n'));
  for (const damage of [() => truncateSync(path, 1), () => rmSync(path), () => symlinkSync('/etc/hostname', path)]) {
    damage();
    assert.equal((await world.api('GET', `/v1/jobs/${id}/evidence/${sha256('bad\n')}`)).status, 409);
  }
  await world.api('POST', `/v1/jobs/${number}/unfreeze`);
  const end = await world.awaitState(id, 'quarantined', 'ready', 'blocked', 'failed');
  assert.deepEqual([end.state, end.reason], ['quarantined', 'record_corrupt'], end.blocker ?? '');
  assert.equal(
    (await world.getAttempts(id)).filter(({ stage, state }) => stage === 'fix' && state === 'finished').length,
    0,
  );
  assert.ok((await quarantined(world, id)).some(({ kind }) => kind === 'evidence'));
});

test('what tests told is shown and given to the fix, and decides nothing', async () => {
  await using world = await World.create();
  await world.start();
  const suite = (...cases: string[]): string => `<testsuite>${cases.join('')}</testsuite>`;
  const [red, green] = ['<testcase name="adds"><failure/></testcase>', '<testcase name="adds"/>'];
  // What tells of failures passes, what tells of none fails, what tells nothing is nothing: exit codes alone count.
  const gates = [
    `mkdir -p out && echo '${suite(red, green)}' > out/unit.xml; exit 0`,
    `mkdir -p out && echo '${suite(green)}' > out/unit.xml; grep -q good how`,
    "echo '<!DOCTYPE x>' > out/none.xml; printf 'ok 1\n1..1\n'",
    "printf 'ok 1 - one\nnot ok 2 - two\n1..2\n'; exit 0",
  ];
  const reports = ['out/*.xml'];
  await world.register({ verify: gates.map((one) => ['sh', '-c', one]), pipeline: { reports } });
  const fix = [{ tool: { argv: ['sh', '-c', 'echo good > how'] } }, COMMIT];
  const steps = [
    { write: { path: 'how', content: 'bad' } },
    { write: { path: 'out/old.xml', content: suite(red) } },
    COMMIT,
  ];
  const prompt = JSON.stringify({ steps, tasks: { fix: [fix] } });
  const { id } = await world.submit({ prompt, agent: 'scripted', pipeline: 'full' });
  const end = await world.awaitState(id, 'ready', 'blocked', 'quarantined', 'failed');
  assert.deepEqual([end.state, end.blocker], ['ready', null]);
  const shown = (await listed<GateView>(world, id, 'gates')).map(({ result, summary }) =>
    summary === null ? [result] : [result, summary.format, summary.passed, summary.failed, ...summary.failing],
  );
  const first = ['PASS', 'junit', 1, 1, 'adds'];
  // The agent committed a report of its own: what was there before a gate ran is not of that run.
  assert.deepEqual(shown, [
    first,
    ['FAIL', 'junit', 1, 0],
    first,
    ['PASS', 'junit', 1, 0],
    ['PASS', 'tap', 1, 0],
    ['PASS', 'tap', 1, 1, 'two'],
  ]);
  const evidence = await listed<EvidenceView>(world, id, 'evidence');
  const summary = evidence.find(({ kind }) => kind === 'junit');
  const { body } = await world.api('GET', `/v1/jobs/${id}/evidence/${summary?.sha256 ?? ''}`);
  assert.deepEqual(JSON.parse(String(body)), {
    v: 1,
    format: 'junit',
    tests: 2,
    passed: 1,
    failed: 1,
    skipped: 0,
    failing: ['adds'],
  });
  const report = evidence.find(({ name }) => name.endsWith('.md'));
  const text = String((await world.api('GET', `/v1/jobs/${id}/evidence/${report?.sha256 ?? ''}`)).body);
  assert.match(text, /\| PASS \| 1 of 2 passed, 1 failed \|/);
});

test('a verdict that is a link, a pipe, without end, of another round, or changed later opens nothing', async () => {
  await using world = await World.create();
  await world.start();
  await world.register();
  const tool = (script: string): object => ({ tool: { argv: ['sh', '-c', script] } });
  const pass = { verdict: { score: 90 } };
  const asked = (name: string, ...steps: object[]): object => ({
    name,
    agent: 'scripted',
    instructions: JSON.stringify({ steps: [], tasks: { review: [steps] } }),
  });
  const ways: [string, object[], RegExp][] = [
    [
      'link',
      [asked('one', pass, tool('mv "$HOLDFAST_VERDICT" ../v; ln -s "$PWD/../v" "$HOLDFAST_VERDICT"'))],
      /symbolic link/,
    ],
    ['pipe', [asked('one', tool('mkfifo "$HOLDFAST_VERDICT"'))], /not a plain file/],
    ['huge', [asked('one', pass, tool('truncate -s 9000000 "$HOLDFAST_VERDICT"'))], /too many/],
    ['round', [asked('one', { verdict: { epoch: 1 } })], /another epoch/],
  ];
  const jobs: [JobView, RegExp][] = [];
  for (const [name, reviewers, why] of ways) {
    assert.equal((await world.api('PATCH', '/v1/repositories/demo', { pipeline: { reviewers } })).status, 200);
    jobs.push([await submit(world, name), why]);
  }
  const later = tool('for one in ../../evidence/*; do printf X >> "$one"; done');
  const reviewers = [asked('one', pass), asked('two', later, pass)];
  assert.equal((await world.api('PATCH', '/v1/repositories/demo', { pipeline: { reviewers } })).status, 200);
  const changed = await submit(world, 'later');
  for (const [{ id }, why] of jobs) {
    const end = await world.awaitState(id, 'blocked', 'quarantined', 'ready', 'failed');
    assert.deepEqual([end.state, end.reason], ['blocked', 'gate_blocked'], end.blocker ?? '');
    assert.match(end.blocker ?? '', why);
    assert.deepEqual(
      (await listed<GateView>(world, id, 'gates')).map(({ result }) => result),
      ['BLOCK'],
    );
  }
  const end = await world.awaitState(changed.id, 'blocked', 'quarantined', 'ready', 'failed');
  assert.deepEqual([end.state, end.reason], ['quarantined', 'record_corrupt'], end.blocker ?? '');
  const [verdict] = await listed<EvidenceView>(world, changed.id, 'evidence');
  assert.equal(verdict?.kind, 'verdict');
  assert.ok(readFileSync(join(world.home.evidence(changed.id), verdict.sha256), 'utf8').endsWith('X'));
});
