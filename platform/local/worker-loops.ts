import { join } from "node:path";
import { type ConnectorWorker, deliver } from "../../bridge/delivery/deliver.ts";
import { createRateLimiter } from "../../bridge/delivery/rate-limiter.ts";
import { accept } from "../../bridge/intake/accept.ts";
import { runJobs } from "../../bridge/jobs/job-runner.ts";
import { runMaintenance } from "../../bridge/maintenance/run-maintenance.ts";
import { type Connector, connectorId } from "../../bridge/model/connector.ts";
import { errorName } from "../../bridge/observability/log.ts";
import type { MessageDisposition } from "../../bridge/ports/message-result.ts";
import type { Message, QueueName } from "../../bridge/ports/queue.ts";
import type { LocalEngine } from "./engine.ts";
import { takeLock } from "./lock.ts";
import type { SheetWatcher } from "./sheet-watcher.ts";

const batchSize = 10;
/** Maximum wait for a message in one receive call. */
const waitMs = 20_000;
/** Interval between checks for other processes' writes and for changed sheets. */
const pollMs = 100;
const purgeMs = 60_000;
/** Length of one turn of the jobs: about one page. */
const jobsTurnMs = 25;
const inboxPerSecond = 500;
/** Number of mapper loops, measured: with fewer, a burst waits for commits; with more, it waits for memory. */
const mapperLoops = 8;
/** Parallel batches for each concurrent send, measured: 25,000 packets take a sixth less time than with one batch. */
const batchesPerSend = 4;

/** Loops of the embedded engine, which do the work of event sources and schedules on AWS. */
export interface WorkerLoops {
  /** Resolves if the loops ended because the store's file was deleted or replaced. */
  readonly storeGone: Promise<void>;
  /** Ends the loops; resolves when the work in progress is done. */
  stop(): Promise<void>;
}

/**
 * Starts the loops unless another process runs them on this store.
 *
 * @returns `undefined` if another process runs them
 */
export function startWorkerLoops(engine: LocalEngine, sheets?: SheetWatcher): WorkerLoops | undefined {
  const lock = engine.dir === undefined ? { release() {} } : takeLock(join(engine.dir, "runner.lock"));
  if (!lock) return undefined;
  const ended = new AbortController();
  const { signal } = ended;
  const { promise: storeGone, resolve: onStoreGone } = Promise.withResolvers<void>();
  storeGone.then(() => ended.abort());
  const loops = [
    ...Array.from({ length: mapperLoops }, () => mapperLoop(engine, signal)),
    ...engine.catalog.ids.flatMap((id) => connectorLoops(engine, engine.catalog.get(id) as Connector, signal)),
    every(engine, engine.times.tickMs, signal, () => runMaintenance(engine)),
    every(engine, engine.times.tickMs, signal, () => runJobsInTurns(engine, signal)),
    every(engine, purgeMs, signal, () => engine.queue.purgeExpired()),
    every(engine, engine.times.sealMs, signal, () => seal(engine)),
    pollLoop(engine, signal, { sheets, onStoreGone }),
  ];
  // An event that failed in an earlier version of the bridge may succeed in this one.
  void engine.queue.startMove("inbox-dead", inboxPerSecond);
  return {
    storeGone,
    async stop() {
      ended.abort();
      await engine.queue.end();
      await Promise.allSettled(loops);
      await seal(engine);
      lock.release();
    },
  };
}

async function mapperLoop(engine: LocalEngine, signal: AbortSignal): Promise<void> {
  await consume(engine, "inbox", signal, (messages) => accept(engine, messages));
}

/**
 * Starts several loops for a connector, in the way a Lambda event source runs several batches. The rate limiter enforces
 * the connector's limit. While some batches send, others wait for their commits, and parallel batches share each commit.
 */
function connectorLoops(engine: LocalEngine, connector: Connector, signal: AbortSignal): Promise<void>[] {
  const worker: ConnectorWorker = {
    connector,
    owner: engine.random.id(),
    acquire: createRateLimiter(engine.clock, connector.rate),
  };
  return Array.from({ length: parallelBatches(connector) }, () =>
    consume(engine, `lane:${connectorId(connector)}`, signal, (messages) => deliver(engine, worker, messages)),
  );
}

/**
 * Returns the number of batches that a connector works on in parallel, at most what it may send in ten seconds. It is
 * lower for a target that cannot detect duplicates, because packets in flight when the process ends are then held.
 */
function parallelBatches({
  idempotent,
  rate: { concurrency, perSecond = Number.POSITIVE_INFINITY },
}: Connector): number {
  const wanted = idempotent ? batchesPerSend * concurrency : concurrency;
  return Math.max(2, Math.min(wanted, Math.ceil((10 * perSecond) / batchSize)));
}

async function consume(
  engine: LocalEngine,
  queue: QueueName,
  signal: AbortSignal,
  work: (messages: readonly Message[]) => Promise<readonly MessageDisposition[]>,
): Promise<void> {
  const { times } = engine;
  while (!signal.aborted) {
    try {
      const messages = await engine.queue.receive(queue, {
        max: batchSize,
        visibilityMs: times.visibilityMs,
        waitMs,
        signal,
      });
      if (messages.length > 0) await applyDispositions(engine, queue, await work(messages));
    } catch (error) {
      engine.log({ step: "loop-failed", queue, error: errorName(error) });
      await engine.clock.sleep(times.backoffMs[0] as number, signal);
    }
  }
}

async function applyDispositions(
  engine: LocalEngine,
  queue: QueueName,
  dispositions: readonly MessageDisposition[],
): Promise<void> {
  const acknowledged = dispositions.flatMap((one) => (one.kind === "ack" ? [one.receipt] : []));
  const delayed = dispositions.flatMap((one) => (one.kind === "delay" ? [one] : []));
  await Promise.all([engine.queue.remove(queue, acknowledged), engine.queue.delay(queue, delayed)]);
}

async function every(engine: LocalEngine, ms: number, signal: AbortSignal, work: () => Promise<void>): Promise<void> {
  while (!signal.aborted) {
    try {
      await work();
    } catch (error) {
      engine.log({ step: "keep-failed", error: errorName(error) });
    }
    await engine.clock.sleep(ms, signal);
  }
}

/** Runs jobs in turns with equal pauses, so that they take at most half of the time and live work waits at most one turn. */
async function runJobsInTurns(engine: LocalEngine, signal: AbortSignal): Promise<void> {
  const { clock } = engine;
  const turn = (): Promise<boolean> => {
    const until = clock.now() + jobsTurnMs;
    return runJobs(engine, () => !signal.aborted && clock.now() < until);
  };
  while (!signal.aborted && (await turn())) await clock.sleep(jobsTurnMs, signal);
}

/** Seals new entries. A failure is only logged, because the next seal covers the same entries. */
async function seal(engine: LocalEngine): Promise<void> {
  try {
    const made = await engine.sealing?.seal();
    if (made && made.entries > 0) engine.log({ step: "sealed", ...made });
  } catch (error) {
    engine.log({ step: "seal-failed", error: errorName(error), reason: (error as Error).message });
  }
}

interface PollOptions {
  readonly sheets: SheetWatcher | undefined;
  readonly onStoreGone: () => void;
}

/** Polls for messages from other processes, changed sheets, and a deleted or replaced store. */
async function pollLoop(engine: LocalEngine, signal: AbortSignal, { sheets, onStoreGone }: PollOptions): Promise<void> {
  let seen = engine.db.version();
  await every(engine, pollMs, signal, async () => {
    if (!engine.db.isThere()) return onStoreGone();
    const version = engine.db.version();
    if (version !== seen) engine.queue.refresh();
    seen = version;
    await sheets?.refresh();
  });
}
