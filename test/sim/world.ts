import { createHash } from "node:crypto";
import * as z from "zod";
import { changeHealth } from "../../bridge/delivery/circuit-breaker.ts";
import { deliver } from "../../bridge/delivery/deliver.ts";
import type { Engine } from "../../bridge/engine.ts";
import { type CompliancePort, ComplianceUnavailableError } from "../../bridge/governance/compliance-engine.ts";
import { accept } from "../../bridge/intake/accept.ts";
import { cancelJob, runJobs, startJob } from "../../bridge/jobs/job-runner.ts";
import { runMaintenance } from "../../bridge/maintenance/run-maintenance.ts";
import type { Connector, Context } from "../../bridge/model/connector.ts";
import { headOf, placesRead } from "../../bridge/model/lane.ts";
import type { Outcome } from "../../bridge/model/outcome.ts";
import type { Packet } from "../../bridge/model/packet.ts";
import type { FileVersion } from "../../bridge/model/roster.ts";
import { discard } from "../../bridge/operations/discard.ts";
import { edit } from "../../bridge/operations/edit.ts";
import { forget } from "../../bridge/operations/forget-shadow.ts";
import { release } from "../../bridge/operations/release.ts";
import type { FilesPort } from "../../bridge/ports/files.ts";
import type { MessageDisposition } from "../../bridge/ports/message-result.ts";
import type { Message, QueueName } from "../../bridge/ports/queue.ts";
import type { Put } from "../../bridge/ports/store.ts";
import { FolderError } from "../../connectors/protocols/files/folder.ts";
import { uploadNumbered } from "../../connectors/protocols/files/numbered-upload.ts";
import { seededRandom, settled } from "../support/clock.ts";
import { aCore, type Core } from "../support/core.ts";
import type { Emitted } from "./claims.ts";
import { answerIn, Inbox, numbering } from "./inbox.ts";
import { type Action, type Decision, integerBelow, pick, policies, sheetVariants, token } from "./plan.ts";
import { type Call, type Crash, type Environment, engineOf, Process, type Wrap, workerOf } from "./process.ts";
import { restBoundMs } from "./rest-bound.ts";
import { SimTarget } from "./target.ts";

export interface WorldOptions {
  readonly seed: number;
  /** Removes a safeguard, to test that the simulation notices. */
  readonly wrap?: Wrap;
  /** Returns the idempotency key of an attempt; by default, the packet's id. */
  readonly keyOf?: (packet: Packet, attempt: number) => string;
  /** Acknowledges messages before they are processed. */
  readonly ackFirst?: boolean;
  /** Time in which all work must finish after all faults have ended. Default: `restBoundMs`. */
  readonly restMs?: number;
}

/** Snapshot files in memory, each written once. */
class Snapshots implements FilesPort {
  readonly #files: Buffer[] = [];

  write(text: string): FileVersion {
    const n = this.#files.push(Buffer.from(text)) - 1;
    return this.#versionOf(n);
  }

  #versionOf(n: number): FileVersion {
    return { address: `sim:${n}`, version: "1", bytes: this.#files[n]?.byteLength ?? 0 };
  }

  async find(address: string): Promise<FileVersion> {
    return this.#versionOf(Number(address.slice("sim:".length)));
  }

  async *read({ address }: FileVersion, { from, to }: { from: number; to: number }): AsyncGenerator<Uint8Array> {
    yield this.#files[Number(address.slice("sim:".length))]?.subarray(from, to) ?? Buffer.alloc(0);
  }
}

/** A port call that was throttled or whose answer was lost. */
class PortError extends Error {
  override readonly name = "ThrottlingException";
}

/** Maximum number of concurrent processes. */
const maxProcesses = 6;

/** Limit of calls per process, above what any work needs. */
const maxCalls = 20_000;

/**
 * The bridge in a simulated world in which anything can happen between two calls. One seed determines one history.
 *
 * The core runs on the embedded engine in memory. Each process does the work of one invocation. Each of its calls to a
 * port or a target waits until the scheduler runs it. Calls run one at a time, in an order that the seed determines.
 */
export class World implements Environment {
  readonly core: Core;
  readonly targets: readonly SimTarget[];
  readonly processes = new Set<Process>();
  /** Everything that producers emitted, in order. */
  readonly emitted: Emitted[] = [];
  /** Number of replays that were started. */
  replays = 0;
  /** Time after all faults ended until the bridge was idle. ms */
  restedAfterMs = 0;
  /** Packets about which a person decided. */
  readonly decided = new Set<string>();
  /** Everything that happened, one line each. */
  readonly trace: string[] = [];
  /** Number of processes that had begun when a packet was recorded, by packet id. */
  readonly recorded = new Map<string, number>();
  /** Packets whose messages were purged from a queue, which also loses their order. */
  readonly purged = new Set<string>();
  /** Descriptions of processes ended because they exceeded the limit of calls. */
  readonly runaways: string[] = [];
  /** Requested backfills by job id. */
  readonly backfills: {
    readonly job: string;
    readonly lines: readonly string[];
    readonly targets: readonly string[];
  }[] = [];
  readonly #snapshots = new Snapshots();
  readonly #hash = createHash("sha256");
  readonly #options: WorldOptions;
  readonly #random;
  readonly #pending: Call[] = [];
  readonly #redeliveries: { queue: QueueName; messages: readonly Message[] }[] = [];
  #sheets = 0;
  #policy = 0;
  #faults = 0;
  #crashes = 0;
  #secret = true;
  #complianceAnswers = 1;
  #began = 0;
  #stamp = 0;
  #startedJobs: string[] = [];

  private constructor(core: Core, targets: readonly SimTarget[], options: WorldOptions) {
    this.core = core;
    this.targets = targets;
    this.#options = options;
    this.#random = seededRandom(options.seed);
  }

  static async make(options: WorldOptions): Promise<World> {
    const targets = [
      new SimTarget({ name: "Latest", secret: z.object({ token: z.literal(token) }) }),
      new SimTarget({ name: "Blunt", idempotent: false }),
      new SimTarget({ name: "Journal", order: "strict" }),
      new SimTarget({ name: "File", order: "strict", lane: "connector", idempotent: false }),
      new SimTarget({ name: "Mainframe", order: "strict", lane: "connector" }, new Inbox()),
    ];
    const [sheets = {}] = sheetVariants;
    const governance = policies[0] as string;
    const fakes = targets.map(({ fake }) => fake);
    return new World(await aCore({ targets: fakes, sheets, governance, seed: options.seed }), targets, options);
  }

  /** Applies the actions, then ends all faults and runs until the bridge is idle. */
  async run(actions: readonly Action[]): Promise<void> {
    for (const action of actions) {
      await this.apply(action);
      // Often, a producer emits faster than the bridge works.
      const steps = this.#random.fraction() < 0.3 ? 0 : integerBelow(this.#random, 40);
      for (let step = 0; step < steps; step++) await this.#step();
    }
    await this.restore();
    await this.runUntilIdle();
  }

  /** Hash of everything that happened so far. */
  get fingerprint(): string {
    return this.#hash.copy().digest("hex");
  }

  get now(): number {
    return this.core.clock.now();
  }

  async apply(action: Action): Promise<void> {
    this.#record(`action ${JSON.stringify(action)}`);
    const { core } = this;
    const target =
      "target" in action && action.target !== undefined ? (this.targets[action.target] as SimTarget) : undefined;
    switch (action.do) {
      case "emit":
        this.emitted.push({ body: action.body, at: this.now });
        return core.emit(action.body);
      case "mode":
        if (target) target.mode = action.mode;
        return;
      case "wait":
        return core.clock.advance(action.ms);
      case "jump":
        return core.clock.set(this.now + action.ms);
      case "sheets":
        this.#sheets = action.variant;
        return this.#applySheets();
      case "policy":
        this.#policy = action.variant;
        return this.#applySheets();
      case "compliance":
        this.#complianceAnswers = action.percent / 100;
        return;
      case "decide":
        return this.#decide(action.decision);
      case "pause":
        await changeHealth(core.engine, target?.id as string, (health) => ({ ...health, paused: action.paused }));
        return;
      case "replay": {
        const request = { from: 0, to: this.now + 1, force: action.force, ...(target && { connector: target.id }) };
        const job = await startJob(core.engine, { kind: "replay", request, actor: "operator" });
        this.#startedJobs.push(job.id);
        this.replays++;
        return;
      }
      case "backfill": {
        const file = this.#snapshots.write(action.lines.join("\n"));
        const request = { targets: action.targets, from: { kind: "file", file } } as const;
        const job = await startJob(core.engine, { kind: "backfill", request, actor: "operator" });
        this.#startedJobs.push(job.id);
        this.backfills.push({ job: job.id, lines: action.lines, targets: action.targets });
        return;
      }
      case "cancel": {
        const id = this.#startedJobs.at(-1);
        if (id) await cancelJob(core.engine, id, "operator");
        return;
      }
      case "forget":
        await forget(core.engine, target?.fake.connector as Connector, "operator", action.entity);
        return;
      case "secret":
        this.#secret = action.isPresent;
        return;
      case "purge":
        return this.#purge(target?.id as string);
      case "faults":
        this.#faults = action.percent / 100;
        return;
      case "crashes":
        this.#crashes = action.percent / 100;
    }
  }

  readonly compliance: CompliancePort = {
    ask: async () => {
      if (this.#random.fraction() >= this.#complianceAnswers) throw new ComplianceUnavailableError("no answer");
      return { action: "allow" };
    },
  };

  async #decide(decision: Decision): Promise<void> {
    const { engine } = this.core;
    const { items } = await engine.store.packets({ statuses: ["HELD"], limit: 100 });
    if (items.length === 0) return;
    const { packet } = pick(this.#random, items);
    const [stored] = await engine.store.read("packet", [packet.id]);
    const by = { actor: "operator", reason: "decided" };
    this.decided.add(packet.id);
    if (decision === "discard") await discard(engine, packet.id, by);
    else if (decision === "release") await release(engine, { id: packet.id }, by);
    else await edit(engine, { id: packet.id, etag: stored?.etag as number, fields: { a: -1 } }, by);
  }

  async #purge(id: string): Promise<void> {
    const { queue } = this.core.engine;
    for (const name of [`lane:${id}`, `outbox:${id}`] as const) {
      for (;;) {
        const messages = await queue.receive(name, { max: 10, visibilityMs: 1_000, waitMs: 0 });
        if (messages.length === 0) break;
        for (const { body } of messages) this.purged.add((JSON.parse(body) as Packet).id);
        await queue.remove(
          name,
          messages.map(({ receipt }) => receipt),
        );
      }
    }
  }

  async #applySheets(): Promise<void> {
    await this.core.use(sheetVariants[this.#sheets] ?? {}, policies[this.#policy]);
  }

  /** Runs a call, begins a process or advances the clock. */
  async #step(): Promise<void> {
    const roll = this.#random.fraction();
    if (this.#ready().length > 0 && roll < 0.8) return this.#runNextCall();
    if (this.processes.size < maxProcesses && roll < 0.95) {
      await this.#begin(this.#randomWork());
      return;
    }
    await this.core.clock.advance(pick(this.#random, [1, 20, 500, 1_000, 5_000]));
  }

  #randomWork(): string {
    const roll = this.#random.fraction();
    if (roll < 0.3) return "map";
    if (roll < 0.7) return pick(this.#random, this.targets).id;
    if (roll < 0.8) return "maintain";
    return roll < 0.9 && this.#redeliveries.length > 0 ? "redeliver" : "jobs";
  }

  /** Begins a process: `map`, `maintain`, `jobs`, `redeliver` (repeats messages), or the id of a connector to deliver. */
  async #begin(work: string, crash = this.#randomCrash()): Promise<Process> {
    const began = this.#began++;
    const process = new Process(`${work}-${began}`, began, crash);
    this.processes.add(process);
    const { wrap = (engine: Engine) => engine } = this.#options;
    const engine = engineOf(this.core.engine, process, this, wrap);
    void this.#work(engine, work)
      .catch(() => {})
      .finally(() => this.#end(process));
    await nextImmediate();
    return process;
  }

  /** Runs one process until it has finished or crashed. */
  async work(work: string, crash?: Crash): Promise<Process> {
    const process = await this.#begin(work, crash);
    await this.#finishAll();
    return process;
  }

  #randomCrash(): Crash | undefined {
    if (this.#random.fraction() >= this.#crashes) return undefined;
    return { call: 1 + integerBelow(this.#random, 14), after: this.#random.fraction() < 0.5 };
  }

  #end(process: Process): void {
    this.processes.delete(process);
  }

  async #work(engine: Engine, work: string): Promise<void> {
    if (work === "maintain") return runMaintenance(engine);
    if (work === "jobs") {
      let pages = 2;
      await runJobs(engine, () => pages-- > 0);
      return;
    }
    if (work === "redeliver") {
      const [redelivery] = this.#redeliveries.splice(integerBelow(this.#random, this.#redeliveries.length), 1);
      return redelivery && this.#process(engine, redelivery.queue, redelivery.messages);
    }
    const queue: QueueName = work === "map" ? "inbox" : `lane:${work}`;
    const messages = await engine.queue.receive(queue, {
      max: 1 + integerBelow(this.#random, 10),
      visibilityMs: engine.times.visibilityMs,
      waitMs: 0,
    });
    if (messages.length === 0) return;
    if (this.#options.ackFirst)
      await engine.queue.remove(
        queue,
        messages.map(({ receipt }) => receipt),
      );
    if (this.#faults > 0 && this.#random.fraction() < 0.1) this.#redeliveries.push({ queue, messages });
    await this.#process(engine, queue, messages);
  }

  async #process(engine: Engine, queue: QueueName, messages: readonly Message[]): Promise<void> {
    const owner = `owner-${integerBelow(this.#random, 3)}`;
    const dispositions =
      queue === "inbox"
        ? await accept(engine, messages)
        : await deliver(engine, workerOf(engine, queue.slice("lane:".length), owner), messages);
    await applyDispositions(engine, queue, dispositions);
  }

  schedule<T>(process: Process, name: string, hasEffect: boolean, run: () => Promise<T>): Promise<T> {
    if (this.#crashes > 0 && this.#random.fraction() < this.#crashes / 40) {
      process.frozenUntil = this.now + pick(this.#random, [1_000, 6_000, 40_000, 200_000]);
    }
    return new Promise<T>((resolve, reject) => {
      this.#pending.push({ process, name, hasEffect, run, resolve: resolve as (value: unknown) => void, reject });
    });
  }

  #ready(): number[] {
    return this.#pending.flatMap(({ process }, i) => (process.frozenUntil <= this.now ? [i] : []));
  }

  /** Runs one waiting call. The call may fail or crash its process, before or after its effect. */
  async #runNextCall(): Promise<void> {
    const [call] = this.#pending.splice(pick(this.#random, this.#ready()), 1);
    if (!call || call.process.crashed) return;
    const { process, name } = call;
    process.calls++;
    const { crash } = process;
    if (process.calls > maxCalls) {
      this.runaways.push(`${process.name} made more than ${maxCalls} calls, the last one ${name}`);
      process.crashed = true;
      this.#end(process);
      return;
    }
    if (crash && process.calls >= crash.call) {
      if (crash.after) await call.run().catch(() => {});
      process.crashed = true;
      this.#end(process);
      this.#record(`${process.name} ${name} crashes ${crash.after ? "after" : "before"}`);
    } else if (this.#random.fraction() < this.#faults) {
      const after = call.hasEffect && this.#random.fraction() < 0.5;
      if (after) await call.run().catch(() => {});
      this.#record(`${process.name} ${name} fails ${after ? "after" : "before"}`);
      // The AWS SDK repeats a write whose answer was lost, and the repetition is answered as a conflict.
      if (after && name === "store.write" && this.#random.fraction() < 0.5) call.resolve("conflict");
      else call.reject(new PortError());
    } else {
      await call.run().then(
        (value) => {
          this.#record(`${process.name} ${name} ${value === "conflict" ? value : ""}`);
          call.resolve(this.#withStaleRead(name, value));
        },
        (error: Error) => call.reject(error),
      );
    }
    await nextImmediate();
  }

  /** Falsifies a count or an index read now and then while there are faults: on AWS, counts are approximate and indexes lag. */
  #withStaleRead(name: string, value: unknown): unknown {
    if (this.#faults === 0 || this.#random.fraction() > 0.1) return value;
    if (name === "queue.depth") return { waiting: 0, inFlight: 0 };
    if (name === "store.waiting") return { items: [] };
    return value;
  }

  async send(
    process: Process,
    connector: Connector,
    packet: Packet,
    context: Context<unknown, unknown>,
  ): Promise<Outcome> {
    const target = this.#targetOf(connector);
    if (target.inbox) return this.#sendFile(process, { target, inbox: target.inbox }, packet, context);
    const { signal } = context;
    const { keyOf = ({ id }: Packet) => id } = this.#options;
    const answer = await this.schedule(process, `send ${packet.id}`, true, async () => {
      if (signal.aborted) return undefined;
      const attempt = target.fake.calls.push(packet);
      await this.#checkOrder(process, target, packet);
      return target.receive(packet, keyOf(packet, attempt), this.now, () => this.#random.fraction());
    });
    if (answer === undefined) return new Promise(() => {});
    return this.schedule(process, `answer ${packet.id} ${answer.kind}`, false, async () => answer);
  }

  /** Uploads a file with the connectors' own code. The scheduler runs each command of the file server. */
  #sendFile(
    process: Process,
    { target, inbox }: { readonly target: SimTarget; readonly inbox: Inbox },
    packet: Packet,
    { memory, signal }: Context<unknown, unknown>,
  ): Promise<Outcome> {
    target.fake.calls.push(packet);
    const timedOut = () => new FolderError("the server did not answer", "no-answer");
    const command = async <T>(name: string, hasEffect: boolean, work: () => T): Promise<T> => {
      if (signal.aborted) throw timedOut();
      const result = await this.schedule(process, `folder.${name} ${packet.id}`, hasEffect, async () => {
        if (signal.aborted) throw timedOut();
        if (name === "rename") await this.#checkOrder(process, target, packet);
        const { isApplied, answer } = answerIn(
          target.currentMode(() => this.#random.fraction()),
          () => this.#random.fraction(),
        );
        const value = isApplied ? work() : undefined;
        if (answer instanceof Error) throw answer;
        return { value, answer };
      }).catch((error) => {
        throw error instanceof PortError ? new FolderError("the connection broke off", "no-answer", error) : error;
      });
      return result.answer === "none" ? new Promise(() => {}) : (result.value as T);
    };
    const folder = inbox.folder(command, (overwrote) => {
      if (overwrote) target.report("a file was overwritten", packet);
      target.hasEffect(packet, this.now);
    });
    return uploadNumbered(packet, numbering, memory, (work) => {
      const { promise, reject } = Promise.withResolvers<never>();
      signal.addEventListener("abort", () => reject(timedOut()), { once: true });
      return Promise.race([promise, work(folder)]);
    });
  }

  /** Checks that a strict lane sends no packet while an older one is open that the process could have seen. */
  async #checkOrder(process: Process, target: SimTarget, packet: Packet): Promise<void> {
    if (packet.order !== "strict") return;
    const head = headOf(await this.core.engine.store.lanePlaces(packet.lane, placesRead));
    if (!head || head.id === packet.id) return;
    const known = (this.recorded.get(head.id) ?? 0) <= process.began;
    if (known) target.report(`sent before ${head.id}, which is older`, packet);
  }

  probe(process: Process, connector: Connector): Promise<boolean> {
    const target = this.#targetOf(connector);
    return this.schedule(process, `probe ${target.id}`, false, async () =>
      target.isAwake(() => this.#random.fraction()),
    );
  }

  get files(): FilesPort {
    return this.#snapshots;
  }

  secret(connector: string): unknown {
    return connector === "Latest@v1" && this.#secret ? { token } : undefined;
  }

  /** Returns a time that strictly increases within a process. Two processes may get the same one. µs */
  stamp(process: Process): number {
    if (process.stamp >= this.#stamp || this.#random.fraction() >= 0.05) this.#stamp = this.core.clock.stamp();
    process.stamp = this.#stamp;
    return process.stamp;
  }

  onWrite(_: Process, puts: readonly Put[]): void {
    for (const { kind, id, etag } of puts) if (kind === "packet" && etag === 0) this.recorded.set(id, this.#began);
  }

  #targetOf({ name }: Connector): SimTarget {
    return this.targets.find(({ fake }) => fake.connector.name === name) as SimTarget;
  }

  /** Ends all faults, crashes and pauses. */
  async restore(): Promise<void> {
    this.#record("all faults end");
    this.#faults = 0;
    this.#crashes = 0;
    this.#secret = true;
    this.#complianceAnswers = 1;
    for (const target of this.targets) {
      target.mode = "healthy";
      await changeHealth(this.core.engine, target.id, (health) => ({ ...health, paused: false }));
    }
    for (const { process } of this.#pending) process.frozenUntil = 0;
    await this.#finishAll();
    await this.core.engine.queue.startMove("inbox-dead", 500);
  }

  /** Runs until only held packets, and those behind them, are open or the time limit is reached. */
  async runUntilIdle(): Promise<void> {
    const began = this.now;
    const end = began + (this.#options.restMs ?? restBoundMs(this.core.engine.times));
    for (let round = 0; this.now < end && this.runaways.length === 0 && (await this.#hasOpenWork()); round++) {
      if (round % 3 === 0) for (const work of ["maintain", "jobs"]) await this.#begin(work);
      if ((await this.core.depth("inbox")) > 0) await this.#begin("map");
      for (const { id } of this.targets) if ((await this.core.depth(`lane:${id}`)) > 0) await this.#begin(id);
      await this.#finishAll();
      await this.core.clock.advance(round < 30 ? 1_000 : round < 300 ? 10_000 : 60_000);
    }
    this.restedAfterMs = this.now - began;
  }

  async #hasOpenWork(): Promise<boolean> {
    const { engine } = this.core;
    const { packets } = await engine.store.tally();
    if (packets.QUEUED + packets.RETRY > (await this.blockedByHeldHeads()).size) return true;
    const queues: QueueName[] = ["inbox", "inbox-dead"];
    for (const { id } of this.targets) queues.push(`lane:${id}`, `outbox:${id}`);
    for (const queue of queues) if ((await this.core.depth(queue)) > 0) return true;
    if ((await engine.store.unsentEvents({ to: Number.MAX_SAFE_INTEGER, limit: 1 })).items.length > 0) return true;
    return (await engine.store.jobs({ running: true, limit: 1 })).length > 0;
  }

  /** Returns the ids of the packets that wait behind a held head of a strict lane. */
  async blockedByHeldHeads(): Promise<Set<string>> {
    const { store } = this.core.engine;
    const { items } = await store.packets({ statuses: ["HELD"], limit: 10_000 });
    const lanes = new Set(items.flatMap(({ packet }) => (packet.order === "strict" ? [packet.lane] : [])));
    const waiting = new Set<string>();
    for (const lane of lanes) {
      const places = await store.lanePlaces(lane, 10_000);
      const packets = await store.read(
        "packet",
        places.map(({ id }) => id),
      );
      const head = packets.find((stored) => stored?.value.packet.id === headOf(places)?.id);
      if (head?.value.progress.status !== "HELD") continue;
      for (const stored of packets) if (stored?.value.progress.status === "QUEUED") waiting.add(stored.value.packet.id);
    }
    return waiting;
  }

  /** Runs all processes until they have finished or crashed. */
  async #finishAll(): Promise<void> {
    while (this.processes.size > 0) {
      if (this.#ready().length > 0) await this.#runNextCall();
      else await this.core.clock.advance(100);
    }
  }

  #record(line: string): void {
    const entry = `${new Date(this.now).toISOString()} ${line}`;
    this.trace.push(entry);
    this.#hash.update(`${entry}\n`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await settled();
    await this.core[Symbol.asyncDispose]();
  }
}

async function applyDispositions(
  engine: Engine,
  queue: QueueName,
  dispositions: readonly MessageDisposition[],
): Promise<void> {
  const done = dispositions.flatMap((one) => (one.kind === "ack" ? [one.receipt] : []));
  const delayed = dispositions.flatMap((one) => (one.kind === "delay" ? [one] : []));
  await Promise.all([engine.queue.remove(queue, done), engine.queue.delay(queue, delayed)]);
}

/** Resolves after pending microtasks and the immediates that are already queued have run. */
function nextImmediate(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
