import type { Engine } from "../engine.ts";
import { ComplianceUnavailableError } from "../governance/compliance-engine.ts";
import { createAuditEvent } from "../ledger/audit-event.ts";
import type { Job, JobWork } from "../model/job.ts";
import { errorName } from "../observability/log.ts";
import { FileError } from "../ports/files.ts";
import type { QueueName } from "../ports/queue.ts";
import type { Stored } from "../ports/store.ts";
import { backfillPage } from "./backfill.ts";
import { bulkPage } from "./bulk-operation.ts";
import type { JobPage } from "./job-page.ts";
import { replayPage } from "./replay.ts";
import { withMalformed } from "./snapshot-file.ts";

export type JobPlan = JobWork & Pick<Job, "actor" | "perSecond">;

/** Jobs a process works on side by side. */
const jobsAtOnce = 4;

/** Pages in a row that may fail, each after another lease, before a person must look. */
const maxFailures = 5;

/** A process waits so long for a job's rate; for more than that it leaves the job, and comes back. */
const maxSleepMs = 2_000;

/** Most packets of a job that wait in one lane, so that a live change does not queue behind old ones. */
const maxWaiting = 200;
const waitMs = 20;

/** Writes a job down. It begins when a process that works on the store finds it. */
export async function startJob(engine: Engine, plan: JobPlan): Promise<Job> {
  for (;;) {
    const id = `job-${engine.clock.stamp().toString(36)}`;
    const startedAt = engine.clock.now();
    const begun = { status: "RUNNING", startedAt, looked: 0, made: 0, failures: 0 } as const;
    const job: Job = { id, ...upTo(plan, startedAt + 1), ...begun };
    // A conflict: another process has begun a job in the same µs.
    if ((await engine.store.write([{ kind: "job", id, value: job, etag: 0 }])) === "written") return job;
  }
}

/** The work without what the job itself will record. */
function upTo(plan: JobPlan, end: number): JobPlan {
  if (plan.kind === "replay") return { ...plan, request: { ...plan.request, to: Math.min(plan.request.to, end) } };
  if (plan.kind === "bulk") {
    const { filter } = plan.request;
    return { ...plan, request: { ...plan.request, filter: { ...filter, to: Math.min(filter.to ?? end, end) } } };
  }
  const { from } = plan.request;
  if (from.kind === "file") return plan;
  return { ...plan, request: { ...plan.request, from: { ...from, until: Math.min(from.until, end) } } };
}

/** Ends a job where it is. What it has made stays. */
export async function cancelJob(engine: Engine, id: string, actor: string): Promise<Job | undefined> {
  for (;;) {
    const [stored] = await engine.store.read("job", [id]);
    if (stored?.value.status !== "RUNNING") return stored?.value;
    const job = ended(engine, stored.value, "CANCELLED", `${actor} cancelled it`);
    const note = createAuditEvent(engine, "sync.job.cancelled", { job: id, actor });
    const put = { kind: "job", id, value: job, etag: stored.etag } as const;
    if ((await engine.store.write([put, note.put], [note.entry])) === "written") return job;
  }
}

/**
 * Goes on with every job that is not over and that nobody else works on, a page after another.
 *
 * Each page ends with a checkpoint, so a crash repeats one page at most, and a page that is repeated makes nothing twice.
 *
 * @param mayGoOn asked before each page; where it says no the jobs are left for the next call
 * @returns whether one was left that could go on at once
 */
export async function runJobs(engine: Engine, mayGoOn: () => boolean): Promise<boolean> {
  const running = await engine.store.jobs({ running: true, limit: jobsAtOnce });
  const left = await Promise.all(running.map((stored) => runJob(engine, stored, mayGoOn)));
  return left.includes(true);
}

async function runJob(engine: Engine, found: Stored<"job">, mayGoOn: () => boolean): Promise<boolean> {
  if ((found.value.leasedUntil ?? 0) > engine.clock.now()) return false;
  const leasedUntil = () => engine.clock.now() + engine.times.leaseMs;
  let stored = await write(engine, found, { ...found.value, leasedUntil: leasedUntil() });
  try {
    while (stored && stored.value.status === "RUNNING" && mayGoOn()) {
      const begun = engine.clock.now();
      const page: JobPage = await pageOf(engine, stored.value);
      stored = await write(engine, stored, { ...after(engine, stored.value, page), leasedUntil: leasedUntil() });
      if (stored?.value.status !== "RUNNING") break;
      const waitMs = paceMs(engine, stored.value, page.made, begun);
      if (waitMs > maxSleepMs) {
        // The lease is the wait: whoever comes then goes on.
        await write(engine, stored, { ...stored.value, leasedUntil: engine.clock.now() + waitMs });
        return false;
      }
      if (waitMs > 0) await engine.clock.sleep(waitMs);
      await room(engine, page.queues, mayGoOn);
    }
    if (stored) await write(engine, stored, withoutLease(stored.value));
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

/** Returns undefined if another process was faster or the job was cancelled: the job no longer belongs to this process. */
async function write(engine: Engine, { value, etag }: Stored<"job">, job: Job): Promise<Stored<"job"> | undefined> {
  const written = await engine.store.write([{ kind: "job", id: value.id, value: job, etag }]);
  return written === "written" ? { value: job, etag: etag + 1 } : undefined;
}

function after(engine: Engine, job: Job, page: JobPage): Job {
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

/** The lease stays: it is the wait before the next try. A file that is not what it was is not tried again. */
function failed(engine: Engine, job: Job, error: unknown): Job {
  // It is the job's turn again as soon as governance can be asked.
  if (error instanceof ComplianceUnavailableError) return job;
  const failures = job.failures + 1;
  if (error instanceof FileError) return ended(engine, { ...job, failures }, "FAILED", error.what);
  return failures < maxFailures
    ? { ...job, failures }
    : ended(engine, { ...job, failures }, "FAILED", `${failures} times in a row: ${errorName(error)}`);
}

function ended(engine: Engine, job: Job, status: Job["status"], reason?: string): Job {
  return { ...withoutLease(job), status, endedAt: engine.clock.now(), ...(reason !== undefined && { reason }) };
}

function withoutLease({ leasedUntil: _, ...job }: Job): Job {
  return job;
}

/** Returns the wait after a page that keeps the job at its rate. ms */
function paceMs({ clock }: Engine, { perSecond }: Job, made: number, begun: number): number {
  return perSecond === undefined ? 0 : Math.max(0, begun + (made * 1_000) / perSecond - clock.now());
}

/** Waits until the queues have room for more. */
async function room(engine: Engine, queues: ReadonlySet<QueueName>, mayGoOn: () => boolean): Promise<void> {
  for (const queue of queues) {
    while (mayGoOn() && (await engine.queue.depth(queue)).waiting > maxWaiting) await engine.clock.sleep(waitMs);
  }
}
