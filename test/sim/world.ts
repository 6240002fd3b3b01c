import { createHash } from "node:crypto";
import * as z from "zod";
import { changeHealth } from "../../bridge/delivery/circuit-breaker.ts";
import { deliver } from "../../bridge/delivery/deliver.ts";
import type { Engine } from "../../bridge/engine.ts";
import { accept } from "../../bridge/intake/accept.ts";
import { cancelJob, runJobs, startJob } from "../../bridge/jobs/job-runner.ts";
import { runMaintenance } from "../../bridge/maintenance/run-maintenance.ts";
import type { Connector, Context } from "../../bridge/model/connector.ts";
import type { Outcome } from "../../bridge/model/outcome.ts";
import type { Packet } from "../../bridge/model/packet.ts";
import type { FileVersion } from "../../bridge/model/roster.ts";
import { forget } from "../../bridge/operations/forget-shadow.ts";
import type { FilesPort } from "../../bridge/ports/files.ts";
import type { MessageDisposition } from "../../bridge/ports/message-result.ts";
import type { Message, QueueName } from "../../bridge/ports/queue.ts";
import type { Put } from "../../bridge/ports/store.ts";
import { FolderError } from "../../connectors/protocols/files/folder.ts";
import { uploadNumbered } from "../../connectors/protocols/files/numbered-upload.ts";
import { seededRandom, settled } from "../support/clock.ts";
import { aCore, type Core } from "../support/core.ts";
import { answerIn, Inbox, numbering } from "./inbox.ts";
import { type Act, oneOf, policies, sheetForms, token, upTo } from "./plan.ts";
import { type Call, carrierOf, type Death, engineOf, type Outside, Process, type Wrap } from "./process.ts";
import { SimTarget } from "./target.ts";

export interface WorldOptions {
  readonly seed: number;
  /** Takes a safeguard away, for one test. */
  readonly wrap?: Wrap;
  /** The idempotency key of one try; the packet's id, if not said. */
  readonly keyOf?: (packet: Packet, tries: number) => string;
  /** Acknowledges messages before the work on them is done. */
  readonly ackFirst?: boolean;
  /** Time in which everything must come to rest once all faults are healed. */
  readonly restMs?: number;
}

/** Files in memory, each written once. */
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

/** A process that was throttled, or whose answer got lost. */
class PortError extends Error {
  override readonly name = "ThrottlingException";
}

/** Processes at work at once. */
const maxProcesses = 6;

/** More calls than any one piece of work needs. */
const maxCalls = 20_000;

/**
 * The bridge in a world where everything may happen between any two calls, and where one seed is one history.
 *
 * The core runs on the embedded engine in memory. Each process does one invocation's work; each of its calls to a port
 * or a target waits until the scheduler lets it through, one at a time, in an order the seed decides.
 */
export class World implements Outside {
  readonly core: Core;
  readonly targets: readonly SimTarget[];
  readonly processes = new Set<Process>();
  /** Bodies published, in order. */
  readonly emitted: string[] = [];
  /** Everything that happened, one line each, for the story of a packet. */
  readonly trace: string[] = [];
  /** Packets in the order of their recording, and how many processes had begun then. */
  readonly recorded = new Map<string, number>();
  /** Packets whose messages somebody took off a queue: the order of their lanes went with them. */
  readonly purged = new Set<string>();
  /** Processes that had to be ended. */
  readonly endless: string[] = [];
  /** Requested back-fills by job id. */
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
  readonly #echoes: { queue: QueueName; messages: readonly Message[] }[] = [];
  #sheets = 0;
  #policy = 0;
  #faults = 0;
  #deaths = 0;
  #secret = true;
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
    const [sheets = {}] = sheetForms;
    const governance = policies[0] as string;
    const fakes = targets.map(({ fake }) => fake);
    return new World(await aCore({ targets: fakes, sheets, governance, seed: options.seed }), targets, options);
  }

  /** Lives through the acts, then heals everything and waits until the bridge has come to rest. */
  async live(acts: readonly Act[]): Promise<void> {
    for (const act of acts) {
      await this.act(act);
      for (let steps = upTo(this.#random, 40); steps > 0; steps--) await this.#step();
    }
    await this.heal();
    await this.rest();
  }

  /** A fingerprint of all that happened. */
  get fingerprint(): string {
    return this.#hash.copy().digest("hex");
  }

  get now(): number {
    return this.core.clock.now();
  }

  async act(act: Act): Promise<void> {
    this.#tell(`act ${JSON.stringify(act)}`);
    const { core } = this;
    const target = "target" in act && act.target !== undefined ? (this.targets[act.target] as SimTarget) : undefined;
    switch (act.do) {
      case "emit":
        this.emitted.push(act.body);
        return core.emit(act.body);
      case "mood":
        if (target) target.mood = act.mood;
        return;
      case "wait":
        return core.clock.advance(act.ms);
      case "jump":
        return core.clock.set(this.now + act.ms);
      case "sheets":
        this.#sheets = act.variant;
        return this.#use();
      case "policy":
        this.#policy = act.variant;
        return this.#use();
      case "pause":
        await changeHealth(core.engine, target?.id as string, (health) => ({ ...health, paused: act.paused }));
        return;
      case "replay": {
        const request = { from: 0, to: this.now + 1, force: act.force, ...(target && { connector: target.id }) };
        const job = await startJob(core.engine, { kind: "replay", request, actor: "operator" });
        this.#startedJobs.push(job.id);
        return;
      }
      case "backfill": {
        const file = this.#snapshots.write(act.lines.join("\n"));
        const request = { targets: act.targets, from: { kind: "file", file } } as const;
        const job = await startJob(core.engine, { kind: "backfill", request, actor: "operator" });
        this.#startedJobs.push(job.id);
        this.backfills.push({ job: job.id, lines: act.lines, targets: act.targets });
        return;
      }
      case "cancel": {
        const id = this.#startedJobs.at(-1);
        if (id) await cancelJob(core.engine, id, "operator");
        return;
      }
      case "forget":
        await forget(core.engine, target?.fake.connector as Connector, "operator", act.entity);
        return;
      case "secret":
        this.#secret = act.there;
        return;
      case "purge":
        return this.#purge(target?.id as string);
      case "faults":
        this.#faults = act.percent / 100;
        return;
      case "deaths":
        this.#deaths = act.percent / 100;
    }
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

  async #use(): Promise<void> {
    await this.core.use(sheetForms[this.#sheets] ?? {}, policies[this.#policy]);
  }

  /** Lets one thing happen. */
  async #step(): Promise<void> {
    const roll = this.#random.fraction();
    if (this.#ready().length > 0 && roll < 0.8) return this.#letThrough();
    if (this.processes.size < maxProcesses && roll < 0.95) {
      await this.#begin(this.#anyWork());
      return;
    }
    await this.core.clock.advance(oneOf(this.#random, [1, 20, 500, 1_000, 5_000]));
  }

  #anyWork(): string {
    const roll = this.#random.fraction();
    if (roll < 0.3) return "map";
    if (roll < 0.7) return oneOf(this.#random, this.targets).id;
    if (roll < 0.8) return "keep";
    return roll < 0.9 && this.#echoes.length > 0 ? "again" : "jobs";
  }

  /** Begins a process: `map`, `keep`, `jobs`, `again` (a message that comes twice), or a connector's id. */
  async #begin(work: string, death = this.#anyDeath()): Promise<Process> {
    const began = this.#began++;
    const process = new Process(`${work}-${began}`, began, death);
    this.processes.add(process);
    const { wrap = (engine: Engine) => engine } = this.#options;
    const engine = engineOf(this.core.engine, process, this, wrap);
    void this.#work(engine, work)
      .catch(() => {})
      .finally(() => this.#end(process));
    await turnOver();
    return process;
  }

  /** Has one process do its work to its end, or to its death. */
  async work(work: string, death?: Death): Promise<Process> {
    const process = await this.#begin(work, death);
    await this.#finish();
    return process;
  }

  #anyDeath(): Death | undefined {
    if (this.#random.fraction() >= this.#deaths) return undefined;
    return { call: 1 + upTo(this.#random, 14), after: this.#random.fraction() < 0.5 };
  }

  #end(process: Process): void {
    process.over = true;
    this.processes.delete(process);
  }

  async #work(engine: Engine, work: string): Promise<void> {
    if (work === "keep") return runMaintenance(engine);
    if (work === "jobs") {
      let pages = 2;
      await runJobs(engine, () => pages-- > 0);
      return;
    }
    if (work === "again") {
      const [echo] = this.#echoes.splice(upTo(this.#random, this.#echoes.length), 1);
      return echo && this.#carry(engine, echo.queue, echo.messages);
    }
    const queue: QueueName = work === "map" ? "inbox" : `lane:${work}`;
    const messages = await engine.queue.receive(queue, {
      max: 1 + upTo(this.#random, 10),
      visibilityMs: engine.times.visibilityMs,
      waitMs: 0,
    });
    if (messages.length === 0) return;
    if (this.#options.ackFirst)
      await engine.queue.remove(
        queue,
        messages.map(({ receipt }) => receipt),
      );
    if (this.#faults > 0 && this.#random.fraction() < 0.1) this.#echoes.push({ queue, messages });
    await this.#carry(engine, queue, messages);
  }

  async #carry(engine: Engine, queue: QueueName, messages: readonly Message[]): Promise<void> {
    const owner = `owner-${upTo(this.#random, 3)}`;
    const reports =
      queue === "inbox"
        ? await accept(engine, messages)
        : await deliver(engine, carrierOf(engine, queue.slice("lane:".length), owner), messages);
    await carryOut(engine, queue, reports);
  }

  turn<T>(process: Process, name: string, hasEffect: boolean, run: () => Promise<T>): Promise<T> {
    if (this.#deaths > 0 && this.#random.fraction() < this.#deaths / 40) {
      process.frozenUntil = this.now + oneOf(this.#random, [1_000, 6_000, 40_000, 200_000]);
    }
    return new Promise<T>((resolve, reject) => {
      this.#pending.push({ process, name, hasEffect, run, resolve: resolve as (value: unknown) => void, reject });
    });
  }

  #ready(): number[] {
    return this.#pending.flatMap(({ process }, i) => (process.frozenUntil <= this.now ? [i] : []));
  }

  /** Lets one waiting call through: it does what it would, or fails, or is its process's last. */
  async #letThrough(): Promise<void> {
    const [call] = this.#pending.splice(oneOf(this.#random, this.#ready()), 1);
    if (!call || call.process.dead) return;
    const { process, name } = call;
    process.calls++;
    const { death } = process;
    if (process.calls > maxCalls) {
      this.endless.push(`${process.name} goes on for ever, last with ${name}`);
      process.dead = true;
      this.#end(process);
      return;
    }
    if (death && process.calls >= death.call) {
      if (death.after) await call.run().catch(() => {});
      process.dead = true;
      this.#end(process);
      this.#tell(`${process.name} ${name} dies ${death.after ? "after" : "before"}`);
    } else if (this.#random.fraction() < this.#faults) {
      const after = call.hasEffect && this.#random.fraction() < 0.5;
      if (after) await call.run().catch(() => {});
      this.#tell(`${process.name} ${name} fails ${after ? "after" : "before"}`);
      call.reject(new PortError());
    } else {
      await call.run().then(
        (value) => {
          this.#tell(`${process.name} ${name} ${value === "conflict" ? value : ""}`);
          call.resolve(this.#bent(name, value));
        },
        (error: Error) => call.reject(error),
      );
    }
    await turnOver();
  }

  /** Counts are approximate and indexes lag on AWS: while there are faults, both may be wrong. */
  #bent(name: string, value: unknown): unknown {
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
    const answer = await this.turn(process, `send ${packet.id}`, true, async () => {
      if (signal.aborted) return undefined;
      const tries = target.fake.calls.push(packet);
      await this.#inOrder(process, target, packet);
      return target.receive(packet, keyOf(packet, tries), this.now, () => this.#random.fraction());
    });
    if (answer === undefined) return new Promise(() => {});
    return this.turn(process, `answer ${packet.id} ${answer.kind}`, false, async () => answer);
  }

  /** A file by the connectors' own code, each command of the server in its turn. */
  #sendFile(
    process: Process,
    { target, inbox }: { readonly target: SimTarget; readonly inbox: Inbox },
    packet: Packet,
    { memory, signal }: Context<unknown, unknown>,
  ): Promise<Outcome> {
    target.fake.calls.push(packet);
    const late = () => new FolderError("the server did not answer", "no-answer");
    const act = async <T>(name: string, hasEffect: boolean, work: () => T): Promise<T> => {
      if (signal.aborted) throw late();
      const said = await this.turn(process, `folder.${name} ${packet.id}`, hasEffect, async () => {
        if (signal.aborted) throw late();
        if (name === "rename") await this.#inOrder(process, target, packet);
        const { does, says } = answerIn(
          target.moodNow(() => this.#random.fraction()),
          () => this.#random.fraction(),
        );
        const done = does ? work() : undefined;
        if (says instanceof Error) throw says;
        return { done, says };
      }).catch((error) => {
        throw error instanceof PortError ? new FolderError("the connection broke off", "no-answer", error) : error;
      });
      return said.says === "nothing" ? new Promise(() => {}) : (said.done as T);
    };
    const folder = inbox.folder(act, (overwrote) => {
      if (overwrote) target.tell("a file was overwritten", packet);
      target.hasEffect(packet, this.now);
    });
    return uploadNumbered(packet, numbering, memory, (work) => {
      const { promise, reject } = Promise.withResolvers<never>();
      signal.addEventListener("abort", () => reject(late()), { once: true });
      return Promise.race([promise, work(folder)]);
    });
  }

  /** In a strict lane nothing may be sent while an older packet is open that its process could have known of. */
  async #inOrder(process: Process, target: SimTarget, packet: Packet): Promise<void> {
    if (packet.order !== "strict") return;
    for (const { value } of await this.core.engine.store.laneOpen(packet.lane, 1)) {
      const known = (this.recorded.get(value.packet.id) ?? 0) <= process.began;
      if (value.packet.id !== packet.id && known) {
        target.broken.push({ law: `${target.id}: sent before ${value.packet.id}, which is older`, packet: packet.id });
      }
    }
  }

  probe(process: Process, connector: Connector): Promise<boolean> {
    const target = this.#targetOf(connector);
    return this.turn(process, `probe ${target.id}`, false, async () => target.isAwake(() => this.#random.fraction()));
  }

  get files(): FilesPort {
    return this.#snapshots;
  }

  secret(connector: string): unknown {
    return connector === "Latest@v1" && this.#secret ? { token } : undefined;
  }

  /** Strictly increasing in a process; two processes may stamp in the same µs. */
  stamp(process: Process): number {
    if (process.stamp >= this.#stamp || this.#random.fraction() >= 0.05) this.#stamp = this.core.clock.stamp();
    process.stamp = this.#stamp;
    return process.stamp;
  }

  wrote(_: Process, puts: readonly Put[]): void {
    for (const { kind, id, etag } of puts) if (kind === "packet" && etag === 0) this.recorded.set(id, this.#began);
  }

  #targetOf({ name }: Connector): SimTarget {
    return this.targets.find(({ fake }) => fake.connector.name === name) as SimTarget;
  }

  /** Everything works again. */
  async heal(): Promise<void> {
    this.#tell("everything is well again");
    this.#faults = 0;
    this.#deaths = 0;
    this.#secret = true;
    for (const target of this.targets) {
      target.mood = "well";
      await changeHealth(this.core.engine, target.id, (health) => ({ ...health, paused: false }));
    }
    for (const { process } of this.#pending) process.frozenUntil = 0;
    await this.#finish();
    await this.core.engine.queue.startMove("inbox-dead", 500);
  }

  /** Goes on until nothing is open but what a person must decide. */
  async rest(): Promise<void> {
    const end = this.now + (this.#options.restMs ?? 4 * 86_400_000);
    for (let round = 0; this.now < end && this.endless.length === 0 && (await this.#isOpen()); round++) {
      if (round % 3 === 0) for (const work of ["keep", "jobs"]) await this.#begin(work);
      if ((await this.core.depth("inbox")) > 0) await this.#begin("map");
      for (const { id } of this.targets) if ((await this.core.depth(`lane:${id}`)) > 0) await this.#begin(id);
      await this.#finish();
      await this.core.clock.advance(round < 30 ? 1_000 : round < 300 ? 10_000 : 60_000);
    }
  }

  async #isOpen(): Promise<boolean> {
    const { engine } = this.core;
    const { packets } = await engine.store.tally();
    if (packets.QUEUED + packets.RETRY > (await this.waitingForAPerson()).size) return true;
    const queues: QueueName[] = ["inbox", "inbox-dead"];
    for (const { id } of this.targets) queues.push(`lane:${id}`, `outbox:${id}`);
    for (const queue of queues) if ((await this.core.depth(queue)) > 0) return true;
    if ((await engine.store.unsentEvents(Number.MAX_SAFE_INTEGER, 1)).length > 0) return true;
    return (await engine.store.jobs({ running: true, limit: 1 })).length > 0;
  }

  /** Packets that wait in a strict lane behind one that is held: a person must decide about that first. */
  async waitingForAPerson(): Promise<Set<string>> {
    const { store } = this.core.engine;
    const { items } = await store.packets({ statuses: ["HELD"], limit: 10_000 });
    const lanes = new Set(items.flatMap(({ packet }) => (packet.order === "strict" ? [packet.lane] : [])));
    const waiting = new Set<string>();
    for (const lane of lanes) {
      const [head, ...others] = await store.laneOpen(lane, 10_000);
      if (head?.value.progress.status !== "HELD") continue;
      for (const { value } of others) if (value.progress.status !== "HELD") waiting.add(value.packet.id);
    }
    return waiting;
  }

  /** Lets all processes come to their end. */
  async #finish(): Promise<void> {
    while (this.processes.size > 0) {
      if (this.#ready().length > 0) await this.#letThrough();
      else await this.core.clock.advance(100);
    }
  }

  #tell(line: string): void {
    const told = `${new Date(this.now).toISOString()} ${line}`;
    this.trace.push(told);
    this.#hash.update(`${told}\n`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await settled();
    await this.core[Symbol.asyncDispose]();
  }
}

async function carryOut(engine: Engine, queue: QueueName, reports: readonly MessageDisposition[]): Promise<void> {
  const done = reports.flatMap((report) => (report.kind === "ack" ? [report.receipt] : []));
  const later = reports.flatMap((report) => (report.kind === "delay" ? [report] : []));
  await Promise.all([engine.queue.remove(queue, done), engine.queue.delay(queue, later)]);
}

/** Everything runs that waits for nothing but its turn. */
function turnOver(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
