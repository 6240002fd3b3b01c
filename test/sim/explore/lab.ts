import { createHash } from "node:crypto";
import { setImmediate as nextImmediate } from "node:timers/promises";
import type { Engine } from "../../../bridge/engine.ts";
import type { Connector, Context } from "../../../bridge/model/connector.ts";
import { delivered, type Outcome, refused, retry } from "../../../bridge/model/outcome.ts";
import type { Packet } from "../../../bridge/model/packet.ts";
import type { FilesPort } from "../../../bridge/ports/files.ts";
import type { Message } from "../../../bridge/ports/queue.ts";
import { ManualClock, seededRandom } from "../../support/clock.ts";
import { aCore, type Core } from "../../support/core.ts";
import { type Call, type Environment, engineOf, Process, type Wrap } from "../process.ts";
import { SimTarget } from "../target.ts";
import type { Kind } from "./kind.ts";
import { type ObservedQueue, observeQueue, reopenQueue } from "./observed-queue.ts";
import { type Result, replaceRows, rowsOf, type SentPacket, type Snapshot, unprotectLedger } from "./snapshot.ts";
import { doWork, type Step } from "./worker.ts";

/** Calls whose answers can be lost after their effect. */
const losable = /^send |\.(write|send|receive|remove|delay|startMove|stopMove)$/;

type AnswerFault = "its answer is lost" | "is answered as a conflict";

function faultOf(step: Step): AnswerFault | undefined {
  if (step.endsWith("!")) return "its answer is lost";
  return step.endsWith("?") ? "is answered as a conflict" : undefined;
}

const noFiles: FilesPort = {
  find: () => Promise.reject(new Error("no kind reads files")),
  // biome-ignore lint/correctness/useYield: it never yields
  async *read() {
    throw new Error("no kind reads files");
  },
};

interface Worker {
  readonly name: "A" | "B";
  readonly clock: ManualClock;
  process: Process;
  life: number;
  work: number;
  done: boolean;
  results: Result[];
  hash: string;
  bornAt: number;
}

interface PendingCall extends Call {
  readonly signal: AbortSignal | undefined;
}

/** The store and the sheets of a kind, which all its labs use one after the other. */
export interface Bench {
  readonly kind: Kind;
  readonly core: Core;
  readonly wrap: Wrap;
  readonly start: Snapshot;
}

/** Creates the store of a kind and brings it to the state in which the workers begin. */
export async function prepareBench(kind: Kind, wrap: Wrap = (engine) => engine): Promise<Bench> {
  const target = new SimTarget({ name: "T", ...kind.target });
  const core = await aCore({ targets: [target.fake], sheets: kind.sheets });
  const queue = observeQueue(core.engine.queue, core.clock);
  const engine = { ...core.engine, queue: queue.port };
  const sent: SentPacket[] = [];
  target.fake.behave = (packet) => answer(kind, sent, packet, core.clock.now());
  const given = await kind.prepare({ core, engine, connector: target.id });
  unprotectLedger(core.engine.db);
  const workers = ["A", "B"].map(() => ({
    life: 0,
    work: 0,
    done: false,
    results: [],
    hash: "",
    bornAt: core.clock.elapsed(),
  }));
  const start: Snapshot = {
    ...{ rows: rowsOf(core.engine.db), invisible: [...queue.invisible], elapsed: core.clock.elapsed() },
    ...{ given, sent, workers, trace: [] },
  };
  return { kind, core, wrap, start };
}

/** Two workers of the bridge on the embedded engine in memory, of which a schedule decides each step. */
export class Lab implements Environment {
  readonly kind: Kind;
  readonly target: SimTarget;
  readonly files = noFiles;
  readonly clock: ManualClock;
  /** Engine of the world. Its calls are not steps. */
  readonly engine: Engine;
  readonly workers: readonly Worker[];
  /** Messages that both workers have received. */
  readonly given: readonly Message[];
  /** One line for each step. */
  readonly trace: string[];
  readonly sent: SentPacket[] = [];
  readonly #bench: Bench;
  readonly #queue: ObservedQueue;
  #pending: PendingCall[] = [];

  private constructor(bench: Bench, from: Snapshot, clock: ManualClock, queue: ObservedQueue) {
    this.#bench = bench;
    this.kind = bench.kind;
    this.clock = clock;
    this.#queue = queue;
    this.given = from.given;
    this.trace = [...from.trace];
    this.target = new SimTarget({ name: "T", ...bench.kind.target });
    for (const { packet, isApplied, at } of from.sent) {
      this.sent.push({ packet, isApplied, at });
      if (isApplied) this.target.take(packet, packet.id, at);
    }
    this.engine = { ...bench.core.engine, clock, queue: queue.port };
    this.workers = (["A", "B"] as const).map((name) => {
      const process = new Process(name, 0);
      return {
        name,
        clock: new ManualClock(),
        process,
        life: 0,
        work: 0,
        done: false,
        results: [],
        hash: "",
        bornAt: 0,
      };
    });
  }

  /** Restores a state: the store and the queue from their contents, each worker from the results of its calls. */
  static async restore(bench: Bench, from: Snapshot): Promise<Lab> {
    const { db } = bench.core.engine;
    const clock = new ManualClock();
    if (from.elapsed > 0) await clock.advance(from.elapsed);
    replaceRows(db, from.rows);
    const lab = new Lab(bench, from, clock, await reopenQueue(db, clock, from.invisible));
    for (const [i, point] of from.workers.entries()) await lab.#revive(lab.workers[i] as Worker, point);
    return lab;
  }

  async #revive(worker: Worker, point: Snapshot["workers"][number]): Promise<void> {
    const { results, bornAt } = point;
    Object.assign(worker, { ...point, results: [...results] });
    if (point.done) return;
    if (bornAt > 0) await worker.clock.advance(bornAt);
    this.#start(worker);
    await nextImmediate();
    for (const { elapsed, outcome } of results) {
      if (elapsed > worker.clock.elapsed()) await this.#passTime(worker, elapsed - worker.clock.elapsed());
      const call = this.#nextOf(worker.name) as PendingCall;
      this.#remove(call);
      settleCall(call, outcome);
      await nextImmediate();
    }
    if (this.clock.elapsed() > worker.clock.elapsed()) {
      await this.#passTime(worker, this.clock.elapsed() - worker.clock.elapsed());
    }
  }

  get isFinished(): boolean {
    return this.workers.every(({ done }) => done);
  }

  /** Returns true if a call of a worker waits, and the clock may therefore pass it. */
  get isWaiting(): boolean {
    return this.#pending.length > 0;
  }

  /** Returns the steps that are possible now. */
  steps(): { readonly runs: Step[]; readonly faults: Step[] } {
    const runs: Step[] = [];
    const faults: Step[] = [];
    for (const { name } of this.workers) {
      const call = this.#nextOf(name);
      if (!call) continue;
      runs.push(name);
      faults.push(`${name}+`);
      if (losable.test(call.name)) faults.push(`${name}!`);
      if (call.name === "store.write") faults.push(`${name}?`);
    }
    return { runs, faults };
  }

  /** Returns the next call of a worker. Calls that a worker makes at once are run in the order in which it made them. */
  #nextOf(name: string): PendingCall | undefined {
    return this.#pending.find(({ process }) => process.name === name);
  }

  #remove(call: PendingCall): void {
    this.#pending = this.#pending.filter((one) => one !== call);
  }

  async apply(step: Step): Promise<void> {
    if (step.startsWith("+")) {
      this.trace.push(`${step} pass`);
      await this.#advance(Number.parseInt(step, 10) * 1_000);
      return this.#settle();
    }
    const worker = this.workers.find(({ name }) => name === step[0]) as Worker;
    const call = this.#nextOf(worker.name) as PendingCall;
    if (step.endsWith("+")) {
      this.trace.push(`${worker.name} crashes before ${call.name}`);
      this.#crash(worker);
    } else {
      this.#remove(call);
      await this.#run(worker, call, faultOf(step));
    }
    await this.#settle();
  }

  #crash(worker: Worker): void {
    worker.process.crashed = true;
    this.#pending = this.#pending.filter(({ process }) => process !== worker.process);
    Object.assign(worker, { life: worker.life + 1, work: 0 });
    this.#begin(worker);
  }

  async #run(worker: Worker, call: PendingCall, fault: AnswerFault | undefined): Promise<void> {
    let outcome: Result["outcome"] = await call.run().then(
      (value) => ({ value }),
      (error: Error) => ({ error }),
    );
    const conflict = "value" in outcome && outcome.value === "conflict" ? " → conflict" : "";
    this.trace.push(`${worker.name} ${call.name}${conflict}${fault ? ` → ${fault}` : ""}`);
    if (fault === "is answered as a conflict") outcome = { value: "conflict" };
    else if (fault) outcome = call.name.startsWith("send ") ? { value: lostAnswer } : { error: new Error(fault) };
    const elapsed = this.clock.elapsed();
    worker.results.push({ name: call.name, elapsed, outcome });
    const text = "error" in outcome ? String(outcome.error) : outcome.value;
    worker.hash = hashOf(worker.hash, call.name, elapsed, text);
    settleCall(call, outcome);
  }

  /** Waits until the workers have made their next calls. A worker without a call waits for a timer. */
  async #settle(): Promise<void> {
    await nextImmediate();
    await nextImmediate();
    for (let waits = 0; waits < 1_000 && !this.isFinished && this.#pending.length === 0; waits++) {
      await this.#advance(100);
    }
  }

  async #advance(ms: number): Promise<void> {
    await this.clock.advance(ms);
    for (const worker of this.workers) await this.#passTime(worker, ms);
  }

  /** Each worker has its own clock, so that its timers fire again at their time when it is restored. */
  async #passTime(worker: Worker, ms: number): Promise<void> {
    await worker.clock.advance(ms);
    this.#pending = this.#pending.filter(({ signal }) => !signal?.aborted);
  }

  /** Begins a worker's current work, of which it remembers nothing. */
  #begin(worker: Worker): void {
    Object.assign(worker, { results: [], hash: "", bornAt: worker.clock.elapsed() });
    this.#start(worker);
  }

  #start(worker: Worker): void {
    const { name, life, work, clock } = worker;
    const process = new Process(name, life);
    worker.process = process;
    const { wrap, kind } = this.#bench;
    const program = kind.workers[name === "A" ? 0 : 1];
    const next = program[work];
    if (next === undefined) {
      worker.done = true;
      return;
    }
    const random = seededRandom(10_000 * (name === "A" ? 1 : 2) + 100 * life + work);
    const own = engineOf({ ...this.engine, clock }, process, this, (engine) => wrap({ ...engine, random }));
    const { given } = this;
    doWork(own, next, { connector: this.target.id, owner: `${name}${life}`, given })
      .catch(() => {})
      .finally(() => {
        if (process.crashed) return;
        worker.work++;
        this.#begin(worker);
      });
  }

  schedule<T>(process: Process, name: string, hasEffect: boolean, run: () => Promise<T>): Promise<T> {
    return this.#enqueue({ process, name, hasEffect, run, signal: undefined });
  }

  #enqueue<T>(call: Omit<PendingCall, "resolve" | "reject">): Promise<T> {
    if (call.process.crashed) return new Promise(() => {});
    return new Promise<T>((resolve, reject) => {
      this.#pending.push({ ...call, resolve: resolve as (value: unknown) => void, reject });
    });
  }

  async send(process: Process, _: Connector, packet: Packet, context: Context<unknown, unknown>): Promise<Outcome> {
    const { signal } = context;
    const name = `send ${packet.id} ${packet.action} ${JSON.stringify(packet.fields)}`;
    const run = async () => this.answer(packet);
    const outcome = await this.#enqueue<Outcome>({ process, name, hasEffect: true, run, signal });
    const receipt = { process, name: `answer ${outcome.kind}`, hasEffect: false, run: async () => outcome, signal };
    return this.#enqueue<Outcome>(receipt);
  }

  /** Returns the target's answer to one call, and applies the packet if the target accepts it. */
  answer(packet: Packet): Outcome {
    const now = this.clock.now();
    const outcome = answer(this.kind, this.sent, packet, now);
    if (outcome.kind === "delivered") this.target.take(packet, packet.id, now);
    return outcome;
  }

  probe(process: Process): Promise<boolean> {
    return this.schedule(process, "probe", false, async () => true);
  }

  secret(): unknown {
    return undefined;
  }

  stamp(process: Process): number {
    return (this.workers.find(({ name }) => name === process.name) as Worker).clock.stamp();
  }

  /** Ends the workers, whose calls are then never answered. */
  end(): void {
    for (const { process } of this.workers) process.crashed = true;
  }

  snapshot(): Snapshot {
    const workers = this.workers.map(({ life, work, done, results, hash, bornAt }) => ({
      ...{ life, work, done, results: [...results], hash, bornAt },
    }));
    return {
      ...{ rows: rowsOf(this.#bench.core.engine.db), invisible: [...this.#queue.invisible] },
      ...{ elapsed: this.clock.elapsed(), given: this.given, sent: [...this.sent], workers, trace: [...this.trace] },
    };
  }
}

/** Hash of the store, the queues in their order, the target and the clock. */
export function worldHash({ rows, invisible, sent, elapsed }: Snapshot): string {
  return hashOf(
    rows.map((table) => table.map(({ id }) => id)),
    invisible,
    sentHash(sent),
    elapsed,
  );
}

/** Hash of the world and of both workers' program points. */
export function stateHash(state: Snapshot): string {
  return hashOf(
    worldHash(state),
    state.workers.map(({ life, work, done, hash, bornAt }) => (done ? "done" : [life, work, hash, bornAt])),
  );
}

function sentHash(sent: readonly SentPacket[]): unknown {
  return sent.map(({ packet: { id, action, fields }, isApplied }) => [id, action, fields, isApplied]);
}

function answer(kind: Kind, sent: SentPacket[], packet: Packet, at: number): Outcome {
  const attempt = 1 + sent.filter((one) => one.packet.id === packet.id).length;
  const decided = kind.answers?.(packet, attempt) ?? "ok";
  sent.push({ packet, isApplied: decided === "ok", at });
  if (decided === "refuse") return refused("answered 422", { status: 422 });
  if (decided === "fail") return retry("answered 503", { status: 503 });
  return delivered({ status: 200 });
}

function settleCall({ resolve, reject }: PendingCall, outcome: Result["outcome"]): void {
  if ("error" in outcome) reject(outcome.error);
  else resolve(outcome.value);
}

const lostAnswer = retry("the connection was reset", { code: "no-answer" });

function hashOf(...parts: readonly unknown[]): string {
  return createHash("sha1").update(JSON.stringify(parts)).digest("base64");
}
