import { join } from 'node:path';

/** Where everything lies below the home: the layout of 05 · Files. Pure; creates nothing. */
export interface Home {
  readonly root: string;
  readonly database: string;
  /** Its own small database: an open exclusive transaction on it is the right to serve this home. */
  readonly serverLock: string;
  readonly serverFile: string;
  readonly tokenFile: string;
  readonly configFile: string;
  /** Certificate of the server that speaks TLS here, for its clients to pin. */
  readonly certificateFile: string;
  /** Random id of this home's host, written once. */
  readonly hostFile: string;
  readonly serverLog: string;
  /** What callbacks are signed with. */
  readonly callbackSecretFile: string;
  /** Which phase the start that is under way is in; gone once it is ready. */
  readonly startMarker: string;
  /** What was counted of ended jobs: a copy of what the journal says. */
  readonly statisticsFile: string;
  /** What retention knows of the wall clock. */
  readonly retentionFile: string;
  readonly repos: string;
  readonly jobs: string;
  readonly removals: string;
  mirror(repositoryId: string): string;
  job(jobId: string): string;
  workspace(jobId: string): string;
  /** Files sent for the job, each below the hash of its content. */
  staging(jobId: string): string;
  /** What the agents of a job said and did, for people. */
  transcript(jobId: string): string;
  /** HOME of the agent of this job, kept across attempts so that a session can be resumed. */
  agentHome(jobId: string): string;
  runDirectory(jobId: string, attempt: number): string;
  /** Immutable files of the job, each under its sha256. */
  evidence(jobId: string): string;
  /** HOME of what works in a stage of the job without being its agent. */
  stageHome(jobId: string, attempt: number): string;
  /** Where they lie. */
  stageHomes(jobId: string): string;
  /** Copy of a commit that an attempt looks at without being able to change it. */
  stageCopy(jobId: string, attempt: number): string;
  /** Where they lie. */
  stageCopies(jobId: string): string;
  /** Workspaces of the job that could not be worked in any more, as they were left. */
  setAside(jobId: string): string;
}

/** Returns the layout below `root`, an absolute path. */
export function homeLayout(root: string): Home {
  const jobs = join(root, 'jobs');
  return {
    root,
    database: join(root, 'holdfast.db'),
    serverLock: join(root, 'server.lock.db'),
    serverFile: join(root, 'server.json'),
    tokenFile: join(root, 'token'),
    configFile: join(root, 'holdfast.config.json'),
    certificateFile: join(root, 'server.crt'),
    hostFile: join(root, 'host'),
    serverLog: join(root, 'server.log'),
    callbackSecretFile: join(root, 'callback-secret.json'),
    startMarker: join(root, 'starting.json'),
    statisticsFile: join(root, 'statistics.json'),
    retentionFile: join(root, 'retention.json'),
    repos: join(root, 'repos'),
    jobs,
    removals: join(root, 'removals'),
    mirror: (repositoryId) => join(root, 'repos', repositoryId, 'mirror.git'),
    job: (jobId) => join(jobs, jobId),
    workspace: (jobId) => join(jobs, jobId, 'workspace'),
    staging: (jobId) => join(jobs, jobId, 'staging'),
    transcript: (jobId) => join(jobs, jobId, 'transcript.md'),
    agentHome: (jobId) => join(jobs, jobId, 'home'),
    runDirectory: (jobId, attempt) => join(jobs, jobId, 'attempts', String(attempt)),
    evidence: (jobId) => join(jobs, jobId, 'evidence'),
    stageHomes: (jobId) => join(jobs, jobId, 'homes'),
    stageHome: (jobId, attempt) => join(jobs, jobId, 'homes', String(attempt)),
    stageCopies: (jobId) => join(jobs, jobId, 'copies'),
    stageCopy: (jobId, attempt) => join(jobs, jobId, 'copies', String(attempt)),
    setAside: (jobId) => join(jobs, jobId, 'set-aside'),
  };
}
