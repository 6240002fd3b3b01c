import { errorName } from "./log.ts";
import type { Engine, Stored } from "./ports.ts";
import type { Job } from "./records.ts";
import { type JobPage, replayPage } from "./replay.ts";

export type JobPlan = Pick<Job, "kind" | "request" | "actor">;

/** Jobs a process works on side by side. */
const jobsAtOnce = 4;

/** Pages in a row that may fail, each after another lease, before a person must look. */
const maxFailures = 5;

/** So many packets of a job wait in a lane at most: what happens now must not queue behind what happened long ago. */
const maxWaiting = 200;
const waitMs = 20;

/** Writes a job down. It begins when a process that works on the store finds it. */
export async function startJob(engine: Engine, { request, ...plan }: JobPlan): Promise<Job> {
  for (;;) {
    const id = `job-${engine.clock.stamp().toString(36)}`;
    const startedAt = engine.clock.now();
    // What the job itself records while it reads is not in its window.
    const window = { ...request, to: Math.min(request.to, startedAt + 1) };
    const begun = { status: "RUNNING", startedAt, looked: 0, made: 0, failures: 0 } as const;
    const job: Job = { id, ...plan, request: window, ...begun };
    // A conflict: another process has begun a job in the same µs.
    if ((await engine.store.write([{ kind: "job", id, value: job, etag: 0 }])) === "written") return job;
  }
}

/** Ends a job where it is. What it has made stays. */
export async function cancelJob(engine: Engine, id: string, actor: string): Promise<Job | undefined> {
  for (;;) {
    const [stored] = await engine.store.read("job", [id]);
    if (stored?.value.status !== "RUNNING") return stored?.value;
    const job = ended(engine, stored.value, "CANCELLED", `${actor} cancelled it`);
    if (await write(engine, stored, job)) return job;
  }
}

/**
 * Goes on with every job that is not over and that nobody else works on, a page after another.
 *
 * Each page ends with a checkpoint, so a crash repeats one page at most, and a page that is repeated makes nothing twice.
 *
 * @param mayGoOn asked before each page; where it says no the jobs are left for the next call
 */
export async function runJobs(engine: Engine, mayGoOn: () => boolean): Promise<void> {
  const running = await engine.store.jobs({ running: true, limit: jobsAtOnce });
  await Promise.all(running.map((stored) => runJob(engine, stored, mayGoOn)));
}

async function runJob(engine: Engine, found: Stored<"job">, mayGoOn: () => boolean): Promise<void> {
  if ((found.value.leasedUntil ?? 0) > engine.clock.now()) return;
  const leasedUntil = () => engine.clock.now() + engine.times.leaseMs;
  let stored = await write(engine, found, { ...found.value, leasedUntil: leasedUntil() });
  try {
    while (stored && stored.value.status === "RUNNING" && mayGoOn()) {
      const page: JobPage = await replayPage(engine, stored.value);
      stored = await write(engine, stored, { ...after(engine, stored.value, page), leasedUntil: leasedUntil() });
      if (stored?.value.status === "RUNNING") await room(engine, page.connectors, mayGoOn);
    }
    if (stored) await write(engine, stored, withoutLease(stored.value));
  } catch (error) {
    engine.log({ step: "job-failed", job: found.value.id, error: errorName(error) });
    if (stored) await write(engine, stored, failed(engine, stored.value, errorName(error)));
  }
}

/** Where another was faster, or has cancelled it, it is no longer this process's. */
async function write(engine: Engine, { value, etag }: Stored<"job">, job: Job): Promise<Stored<"job"> | undefined> {
  const written = await engine.store.write([{ kind: "job", id: value.id, value: job, etag }]);
  return written === "written" ? { value: job, etag: etag + 1 } : undefined;
}

function after(engine: Engine, job: Job, page: JobPage): Job {
  const counted = { ...job, looked: job.looked + page.looked, made: job.made + page.made, failures: 0 };
  return page.after === undefined ? ended(engine, counted, "DONE") : { ...counted, after: page.after };
}

/** The lease stays: it is the wait before the next try. */
function failed(engine: Engine, job: Job, error: string): Job {
  const failures = job.failures + 1;
  return failures < maxFailures
    ? { ...job, failures }
    : ended(engine, { ...job, failures }, "FAILED", `${failures} times in a row: ${error}`);
}

function ended(engine: Engine, job: Job, status: Job["status"], reason?: string): Job {
  return { ...withoutLease(job), status, endedAt: engine.clock.now(), ...(reason !== undefined && { reason }) };
}

function withoutLease({ leasedUntil: _, ...job }: Job): Job {
  return job;
}

/** Waits until the lanes have room for more. */
async function room(engine: Engine, connectors: ReadonlySet<string>, mayGoOn: () => boolean): Promise<void> {
  for (const id of connectors) {
    while (mayGoOn() && (await engine.queue.depth(`lane:${id}`)).waiting > maxWaiting) await engine.clock.sleep(waitMs);
  }
}
