import type { LocalEngine } from "./engine.ts";
import type { SheetWatcher } from "./sheet-watcher.ts";
import { takeLock } from "./lock.ts";
import { join } from "node:path";
import { type Connector, connectorId } from "../../bridge/model/connector.ts";
import { runMaintenance } from "../../bridge/maintenance/run-maintenance.ts";
import { accept } from "../../bridge/intake/accept.ts";
import { type ConnectorWorker, deliver } from "../../bridge/delivery/deliver.ts";
import { createRateLimiter } from "../../bridge/delivery/rate-limiter.ts";
import type { QueueName, Message } from "../../bridge/ports/queue.ts";
import type { MessageDisposition } from "../../bridge/ports/message-result.ts";
import { errorName } from "../../bridge/observability/log.ts";
import { runJobs } from "../../bridge/jobs/job-runner.ts";

const batch = 10;
/** How long a loop waits for a message before it looks whether it should end. */
const waitMs = 20_000;
/** How often another process's writes and the sheets' folder are looked for. */
const lookMs = 100;
const tidyMs = 60_000;
/** A page's time, more or less. */
const jobsTurnMs = 25;
const inboxPerSecond = 500;
/** Measured: with fewer a burst waits for commits, with more for memory. */
const mapperLoops = 8;
/** Measured: 25,000 packets take a sixth less time than with one. */
const batchesPerSend = 4;

/** The loops of the embedded engine: what EventBridge, Lambda and the schedules do on AWS. */
export interface WorkerLoops {
  /** Resolves where the loops have ended by themselves, because the store's file was deleted or replaced. */
  readonly storeGone: Promise<void>;
  /** Ends the loops; resolves when what they had begun is done. */
  stop(): Promise<void>;
}

/**
 * Starts the loops, if no other process runs them on this store.
 *
 * @returns nothing where another process does
 */
export function startWorkerLoops(engine: LocalEngine, folder?: SheetWatcher): WorkerLoops | undefined {
  const lock = engine.dir === undefined ? { release() {} } : takeLock(join(engine.dir, "runner.lock"));
  if (!lock) return undefined;
  const ended = new AbortController();
  const { signal } = ended;
  const { promise: storeGone, resolve: tellGone } = Promise.withResolvers<void>();
  storeGone.then(() => ended.abort());
  const loops = [
    ...Array.from({ length: mapperLoops }, () => mapperLoop(engine, signal)),
    ...engine.catalog.ids.flatMap((id) => connectorLoops(engine, engine.catalog.get(id) as Connector, signal)),
    every(engine, engine.times.tickMs, signal, () => runMaintenance(engine)),
    every(engine, engine.times.tickMs, signal, () => jobsRound(engine, signal)),
    every(engine, tidyMs, signal, () => engine.queue.tidy()),
    every(engine, engine.times.sealMs, signal, () => seal(engine)),
    watchLoop(engine, folder, signal, tellGone),
  ];
  // What an event of an earlier bridge broke may be mended in this one.
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
 * Several batches at a time, as a Lambda event source has them; the gate keeps the connector's own limit. While some send
 * others wait for their commits, and the more are on their way, the more share one.
 */
function connectorLoops(engine: LocalEngine, connector: Connector, signal: AbortSignal): Promise<void>[] {
  const carrier: ConnectorWorker = {
    connector,
    owner: engine.random.id(),
    acquire: createRateLimiter(engine.clock, connector.rate),
  };
  return Array.from({ length: batchesOf(connector) }, () =>
    consume(engine, `lane:${connectorId(connector)}`, signal, (messages) => deliver(engine, carrier, messages)),
  );
}

/**
 * How many batches of a connector are on their way at a time: no more than it may send in ten seconds. Few where the
 * target cannot tell a repeat: there, what is on its way when a process ends is held for a person.
 */
function batchesOf({ idempotent, rate: { concurrency, perSecond = Number.POSITIVE_INFINITY } }: Connector): number {
  const many = idempotent ? batchesPerSend * concurrency : concurrency;
  return Math.max(2, Math.min(many, Math.ceil((10 * perSecond) / batch)));
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
        max: batch,
        visibilityMs: times.visibilityMs,
        waitMs,
        signal,
      });
      if (messages.length > 0) await carryOut(engine, queue, await work(messages));
    } catch (error) {
      engine.log({ step: "loop-failed", queue, error: errorName(error) });
      await engine.clock.sleep(times.backoffMs[0] as number, signal);
    }
  }
}

async function carryOut(engine: LocalEngine, queue: QueueName, reports: readonly MessageDisposition[]): Promise<void> {
  const done = reports.flatMap((report) => (report.kind === "ack" ? [report.receipt] : []));
  const later = reports.flatMap((report) => (report.kind === "delay" ? [report] : []));
  await Promise.all([engine.queue.remove(queue, done), engine.queue.delay(queue, later)]);
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

/** Turn and pause about alike: at most half the time goes to what happened long ago, and what happens now waits a turn. */
async function jobsRound(engine: LocalEngine, signal: AbortSignal): Promise<void> {
  const { clock } = engine;
  const turn = (): Promise<boolean> => {
    const until = clock.now() + jobsTurnMs;
    return runJobs(engine, () => !signal.aborted && clock.now() < until);
  };
  while (!signal.aborted && (await turn())) await clock.sleep(jobsTurnMs, signal);
}

/** What cannot be sealed now is sealed with what comes after it; the bridge goes on. */
async function seal(engine: LocalEngine): Promise<void> {
  try {
    const made = await engine.sealing?.seal();
    if (made && made.entries > 0) engine.log({ step: "sealed", ...made });
  } catch (error) {
    engine.log({ step: "seal-failed", error: errorName(error), reason: (error as Error).message });
  }
}

/** Notices what other processes put on the queues, and changed sheets. */
async function watchLoop(
  engine: LocalEngine,
  folder: SheetWatcher | undefined,
  signal: AbortSignal,
  tellGone: () => void,
): Promise<void> {
  let seen = engine.db.version();
  await every(engine, lookMs, signal, async () => {
    if (!engine.db.isThere()) return tellGone();
    const version = engine.db.version();
    if (version !== seen) engine.queue.refresh();
    seen = version;
    await folder?.refresh();
  });
}
