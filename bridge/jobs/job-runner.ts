import type { Engine } from "../engine.ts";
import { ComplianceUnavailableError } from "../governance/compliance-engine.ts";
import { createAuditEvent } from "../ledger/audit-event.ts";
import type { Job, JobWork } from "../model/job.ts";
import { errorName } from "../observability/log.ts";
import { FileError } from "../ports/files.ts";
import type { QueueName } from "../ports/queue.ts";
import type { Stored } from "../ports/store.ts";
import { canonicalJson } from "../values/canonical-json.ts";
import { clockErrorMs } from "../values/stored-time.ts";
import { backfillPage } from "./backfill.ts";
import { bulkPage } from "./bulk-operation.ts";
import type { JobPage } from "./job-page.ts";
import { replayPage } from "./replay.ts";
import { withMalformed } from "./snapshot-file.ts";

export type JobPlan = JobWork & Pick<Job, "actor" | "perSecond">;

/** Maximum number of jobs that one process runs concurrently. */
const jobsAtOnce = 4;

/** Maximum number of running jobs among which those of a turn are chosen. */
const maxRunning = 1_000;

/** Number of consecutive failed pages, one per lease, after which the job fails. */
const maxFailures = 5;

/** Longest sleep to keep to a job's rate. For a longer wait, the process leaves the job, and any process resumes it. */
const maxSleepMs = 2_000;

/** Queue depth above which a job waits, so that live traffic is not delayed by old data. */
const maxWaiting = 200;
/** Time between two checks of the queue depth. */
const waitMs = 20;

/** Records a job. It starts when a process that runs jobs finds it. */
export async function startJob(engine: Engine, plan: JobPlan): Promise<Job> {
  for (;;) {
    const id = `job-${engine.clock.stamp().toString(36)}`;
    const startedAt = engine.clock.now();
    const initial = { status: "RUNNING", startedAt, looked: 0, made: 0, failures: 0 } as const;
    const job: Job = { id, ...limitWindow(plan, startedAt + 1), ...initial };
    if ((await engine.store.write([{ kind: "job", id, value: job, etag: 0 }])) === "written") return job;
    // Either another process recorded a job in the same microsecond, or this job was recorded although the answer was a
    // conflict, and a process may already be running it.
    const [stored] = await engine.store.read("job", [id]);
    if (stored && isSameRequest(stored.value, job)) return stored.value;
  }
}

function isSameRequest(a: Job, b: Job): boolean {
  const requestOf = ({ kind, request, actor, startedAt, perSecond }: Job) =>
    canonicalJson(JSON.parse(JSON.stringify({ kind, request, actor, startedAt, perSecond })));
  return requestOf(a) === requestOf(b);
}

/** Limits the job's time window to what was recorded before it started, so that it does not process its own packets. */
function limitWindow(plan: JobPlan, end: number): JobPlan {
  if (plan.kind === "replay") return { ...plan, request: { ...plan.request, to: Math.min(plan.request.to, end) } };
  if (plan.kind === "bulk") {
    const { filter } = plan.request;
    return { ...plan, request: { ...plan.request, filter: { ...filter, to: Math.min(filter.to ?? end, end) } } };
  }
  const { from } = plan.request;
  if (from.kind === "file") return plan;
  return { ...plan, request: { ...plan.request, from: { ...from, until: Math.min(from.until, end) } } };
}

/** Cancels a running job. The packets it has created are kept. */
export async function cancelJob(engine: Engine, id: string, actor: string): Promise<Job | undefined> {
  for (;;) {
    const [stored] = await engine.store.read("job", [id]);
    if (stored?.value.status !== "RUNNING") return stored?.value;
    const job = ended(engine, stored.value, "CANCELLED", `${actor} cancelled it`);
    const audit = createAuditEvent(engine, "sync.job.cancelled", { job: id, actor });
    const put = { kind: "job", id, value: job, etag: stored.etag } as const;
    if ((await engine.store.write([put, audit.put], [audit.entry])) === "written") return job;
  }
}

/**
 * Works on the running jobs that no other process has leased, page by page. Those whose last turn is longest ago come
 * first, so that every job gets its turn.
 *
 * Each page ends with a checkpoint, so after a crash at most one page is repeated, and repeating it creates no packet
 * twice.
 *
 * @param mayContinue called before each page; if it returns false, the jobs are left for the next call
 * @returns true if a job could continue at once
 */
export async function runJobs(engine: Engine, mayContinue: () => boolean): Promise<boolean> {
  const now = engine.clock.now();
  const running = await engine.store.jobs({ running: true, limit: maxRunning });
  const free = running
    .filter(({ value }) => !isLeased(value, now))
    .toSorted((a, b) => (a.value.turnAt ?? 0) - (b.value.turnAt ?? 0));
  const left = await Promise.all(free.slice(0, jobsAtOnce).map((stored) => runJob(engine, stored, mayContinue)));
  return left.includes(true) || free.length > jobsAtOnce;
}

async function runJob(engine: Engine, found: Stored<"job">, mayContinue: () => boolean): Promise<boolean> {
  const { leaseMs } = engine.times;
  let stored = await write(engine, found, leased(engine, found.value, leaseMs));
  try {
    while (stored && stored.value.status === "RUNNING" && mayContinue()) {
      const pageStartedAt = engine.clock.now();
      const page: JobPage = await pageOf(engine, stored.value);
      stored = await write(engine, stored, leased(engine, advance(engine, stored.value, page), leaseMs));
      if (stored?.value.status !== "RUNNING") break;
      const waitMs = paceMs(engine, stored.value, page.made, pageStartedAt);
      if (waitMs > maxSleepMs) {
        // The lease doubles as the wait: any process may continue the job when it expires.
        await write(engine, stored, leased(engine, stored.value, waitMs));
        return false;
      }
      if (waitMs > 0) await engine.clock.sleep(waitMs);
      await waitForRoom(engine, page.queues, mayContinue);
    }
    if (stored) await write(engine, stored, { ...withoutLease(stored.value), turnAt: engine.clock.now() });
    return stored?.value.status === "RUNNING";
  } catch (error) {
    engine.log({ step: "job-failed", job: found.value.id, error: errorName(error) });
    if (stored) await write(engine, stored, failed(engine, stored.value, error));
    return false;
  }
}

function pageOf(engine: Engine, job: Job): Promise<JobPage> {
  switch (job.kind) {
    case "replay":
      return replayPage(engine, job);
    case "backfill":
      return backfillPage(engine, job);
    case "bulk":
      return bulkPage(engine, job);
  }
}

/** @returns `undefined` if another process changed or cancelled the job; this process then no longer owns it */
async function write(engine: Engine, { value, etag }: Stored<"job">, job: Job): Promise<Stored<"job"> | undefined> {
  const written = await engine.store.write([{ kind: "job", id: value.id, value: job, etag }]);
  return written === "written" ? { value: job, etag: etag + 1 } : undefined;
}

function advance(engine: Engine, job: Job, page: JobPage): Job {
  const { malformed } = page;
  const counted = {
    ...job,
    looked: job.looked + page.looked,
    made: job.made + page.made,
    failures: 0,
    ...(malformed && malformed.length > 0 && { malformed: withMalformed(job.malformed, malformed) }),
  };
  return page.after === undefined ? ended(engine, counted, "DONE") : { ...counted, after: page.after };
}

/** Records a failed page. The lease delays the next attempt. A changed or missing file ends the job. */
function failed(engine: Engine, job: Job, error: unknown): Job {
  // Not counted as a failure: the job continues when the compliance engine is reachable again.
  if (error instanceof ComplianceUnavailableError) return job;
  const failures = job.failures + 1;
  if (error instanceof FileError) return ended(engine, { ...job, failures }, "FAILED", error.what);
  return failures < maxFailures
    ? { ...job, failures }
    : ended(engine, { ...job, failures }, "FAILED", `failed ${failures} times in a row: ${errorName(error)}`);
}

function ended(engine: Engine, job: Job, status: Job["status"], reason?: string): Job {
  return { ...withoutLease(job), status, endedAt: engine.clock.now(), ...(reason !== undefined && { reason }) };
}

function leased({ clock }: Engine, job: Job, ms: number): Job {
  const leasedAt = clock.now();
  return { ...job, leasedAt, leasedUntil: leasedAt + ms };
}

/** Returns true if a job has a lease. One that was taken in the future was taken by a wrong clock, and is void. */
function isLeased({ leasedAt, leasedUntil = 0 }: Job, now: number): boolean {
  return leasedUntil > now && (leasedAt === undefined || leasedAt <= now + clockErrorMs);
}

function withoutLease({ leasedUntil: _u, leasedAt: _a, ...job }: Job): Job {
  return job;
}

/** Returns the ms to wait after a page to keep to the job's rate. */
function paceMs({ clock }: Engine, { perSecond }: Job, made: number, startedAt: number): number {
  return perSecond === undefined ? 0 : Math.max(0, startedAt + (made * 1_000) / perSecond - clock.now());
}

/** Waits until every queue has room for another page. */
async function waitForRoom(engine: Engine, queues: ReadonlySet<QueueName>, mayContinue: () => boolean): Promise<void> {
  for (const queue of queues) {
    while (mayContinue() && (await engine.queue.depth(queue)).waiting > maxWaiting) await engine.clock.sleep(waitMs);
  }
}
