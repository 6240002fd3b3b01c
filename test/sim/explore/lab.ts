import { createHash } from "node:crypto";
import { setImmediate as nextImmediate } from "node:timers/promises";
import { deliver } from "../../../bridge/delivery/deliver.ts";
import type { Engine } from "../../../bridge/engine.ts";
import { accept } from "../../../bridge/intake/accept.ts";
import { runJobs } from "../../../bridge/jobs/job-runner.ts";
import { runMaintenance } from "../../../bridge/maintenance/run-maintenance.ts";
import type { Connector, Context } from "../../../bridge/model/connector.ts";
import { delivered, type Outcome, refused, retry } from "../../../bridge/model/outcome.ts";
import type { Packet } from "../../../bridge/model/packet.ts";
import type { FilesPort } from "../../../bridge/ports/files.ts";
import type { Message, QueueName } from "../../../bridge/ports/queue.ts";
import { seededRandom } from "../../support/clock.ts";
import { aCore, type Core } from "../../support/core.ts";
import { type Call, type Environment, engineOf, Process, type Wrap, workerOf } from "../process.ts";
import { SimTarget } from "../target.ts";
import type { Kind, Work } from "./kind.ts";
import { acknowledge, type ObservedQueue, observeQueue } from "./observed-queue.ts";

/**
 * One step of a schedule. `A` and `B` run the next call of a worker; `A!` runs it and loses its answer; `A+` ends the
 * worker before the call and begins it again; `+36s` advances the clock while a worker waits at its call.
 */
export type Step = `${"A" | "B"}${"" | "!" | "+"}` | `+${number}s`;

/** Advances of the clock while a worker waits: past a lease, and past the visibility of a message. s */
export const advances = [36, 181] as const;

/** Calls whose answers can be lost after their effect. */
const losable = /^send |\.(write|send|receive|remove|delay|startMove|stopMove)$/;

const noFiles: FilesPort = {
  find: () => Promise.reject(new Error("no kind reads files")),
  // biome-ignore lint/correctness/useYield: it never yields
  async *read() {
    throw new Error("no kind reads files");
  },
};

class AnswerLostError extends Error {
  override readonly name = "AnswerLostError";
}

interface Worker {
  readonly name: "A" | "B";
  readonly program: readonly Work[];
  process: Process;
  /** Hash of its calls and their results, which determine its state because the core is deterministic. */
  history: string;
  lives: number;
  done: boolean;
}

/** Two workers of the bridge on the embedded engine in memory, of which a schedule decides each step. */
export class Lab implements Environment {
  readonly kind: Kind;
  readonly core: Core;
  readonly target: SimTarget;
  readonly files = noFiles;
  readonly workers: readonly Worker[];
  /** Messages that both workers have received. */
  given: readonly Message[] = [];
  /** One line for each step. */
  readonly trace: string[] = [];
  readonly #wrap: Wrap;
  #pending: (Call & { readonly signal?: AbortSignal })[] = [];
  #stamp = 0;
  readonly #queue: ObservedQueue;

  private constructor(kind: Kind, core: Core, target: SimTarget, wrap: Wrap) {
    this.kind = kind;
    this.core = core;
    this.target = target;
    this.#wrap = wrap;
    this.#queue = observeQueue(core.engine.queue, () => core.clock.elapsed());
    target.fake.behave = (packet) => this.#answer(packet);
    this.workers = (["A", "B"] as const).map((name, i) => {
      const process = new Process(name, 0);
      return { name, program: kind.workers[i] ?? [], process, history: "", lives: 0, done: false };
    });
  }

  static async open(kind: Kind, wrap: Wrap = (engine) => engine): Promise<Lab> {
    const target = new SimTarget({ name: "T", ...kind.target });
    const core = await aCore({ targets: [target.fake], sheets: kind.sheets, governance: "otherwise: block" });
    const lab = new Lab(kind, core, target, wrap);
    await kind.prepare(lab);
    for (const worker of lab.workers) await lab.#begin(worker);
    return lab;
  }

  /** The engine that `prepare` uses. Its calls are not steps. */
  get engine(): Engine {
    return { ...this.core.engine, queue: this.#queue.port };
  }

  get lane(): `lane:${string}` {
    return `lane:${this.target.id}`;
  }

  get isFinished(): boolean {
    return this.workers.every(({ done }) => done);
  }

  /** Returns true if a call of a worker waits, and the clock may therefore pass it. */
  get isWaiting(): boolean {
    return this.#pending.length > 0;
  }

  /** Returns the steps that are possible now, with those that are faults marked by their suffix. */
  steps(): { readonly runs: Step[]; readonly faults: Step[] } {
    const runs: Step[] = [];
    const faults: Step[] = [];
    for (const { name } of this.workers) {
      const call = this.#nextOf(name);
      if (!call) continue;
      runs.push(name);
      faults.push(`${name}+`);
      if (losable.test(call.name)) faults.push(`${name}!`);
    }
    return { runs, faults };
  }

  /** Returns the next call of a worker. Calls that a worker makes at once are run in the order in which it made them. */
  #nextOf(name: string): Call | undefined {
    return this.#pending.find(({ process }) => process.name === name);
  }

  async apply(step: Step): Promise<void> {
    if (step.startsWith("+")) {
      this.trace.push(`${step} passes`);
      await this.core.clock.advance(Number.parseInt(step, 10) * 1_000);
      this.#dropAborted();
      return;
    }
    const worker = this.workers.find(({ name }) => name === step[0]) as Worker;
    const call = this.#nextOf(worker.name) as Call;
    if (step.endsWith("+")) {
      this.trace.push(`${worker.name} crashes before ${call.name}`);
      worker.process.crashed = true;
      await this.#begin(worker);
      return;
    }
    this.#pending = this.#pending.filter((one) => one !== call);
    await this.#run(worker, call, step.endsWith("!"));
    await this.#settle();
  }

  async #run(worker: Worker, call: Call, isLost: boolean): Promise<void> {
    const result = await call.run().then(
      (value) => ({ value }),
      (error: Error) => ({ error }),
    );
    const elapsed = this.core.clock.elapsed();
    const text = "error" in result ? String(result.error) : JSON.stringify(result.value);
    worker.history = hashOf(worker.history, call.name, elapsed, isLost ? "lost" : text);
    const conflict = "value" in result && result.value === "conflict" ? " → conflict" : "";
    this.trace.push(`${worker.name} ${call.name}${conflict}${isLost ? " → its answer is lost" : ""}`);
    if (isLost && call.name.startsWith("send ")) call.resolve(lostAnswer);
    else if (isLost) call.reject(new AnswerLostError());
    else if ("error" in result) call.reject(result.error);
    else call.resolve(result.value);
  }

  /** Waits until the workers have made their next calls and the store has written all that was requested. */
  async #settle(): Promise<void> {
    await nextImmediate();
    await nextImmediate();
    // A worker without a call waits for a timer. Nothing else happens until then.
    for (let waits = 0; waits < 1_000 && !this.isFinished && this.#pending.length === 0; waits++) {
      await this.core.clock.advance(100);
    }
  }

  #dropAborted(): void {
    this.#pending = this.#pending.filter(({ signal }) => !signal?.aborted);
  }

  async #begin(worker: Worker): Promise<void> {
    this.#pending = this.#pending.filter(({ process }) => process.name !== worker.name);
    const life = worker.lives++;
    const process = new Process(worker.name, life);
    worker.process = process;
    worker.history = `life ${life}`;
    const random = seededRandom(1_000 * (worker.name === "A" ? 1 : 2) + life);
    const engine = engineOf(this.engine, process, this, (own) => this.#wrap({ ...own, random }));
    void this.#work(engine, worker, `${worker.name}${life}`)
      .catch((error: Error) => this.trace.push(`${worker.name} fails: ${error.message}`))
      .finally(() => {
        if (!process.crashed) worker.done = true;
      });
    await this.#settle();
  }

  async #work(engine: Engine, { program }: Worker, owner: string): Promise<void> {
    for (const work of program) await this.#doOne(engine, work, owner).catch(ignoreLostAnswer);
  }

  async #doOne(engine: Engine, work: Work, owner: string): Promise<void> {
    if (typeof work === "function") return work(engine, this);
    if (work === "maintain") return runMaintenance(engine);
    if (work === "jobs") {
      let pages = 2;
      await runJobs(engine, () => pages-- > 0);
      return;
    }
    const queue: QueueName = work === "map" ? "inbox" : this.lane;
    const messages =
      work === "redelivered"
        ? this.given
        : await engine.queue.receive(queue, {
            max: work === "map" ? 1 : 10,
            visibilityMs: engine.times.visibilityMs,
            waitMs: 0,
          });
    if (messages.length === 0) return;
    const dispositions =
      queue === "inbox"
        ? await accept(engine, messages)
        : await deliver(engine, workerOf(engine, this.target.id, owner), messages);
    await acknowledge(engine, queue, dispositions);
  }

  schedule<T>(process: Process, name: string, hasEffect: boolean, run: () => Promise<T>): Promise<T> {
    return this.#schedule(process, name, hasEffect, run);
  }

  // biome-ignore lint/complexity/useMaxParams: the signature of the environment and a signal
  #schedule<T>(
    process: Process,
    name: string,
    hasEffect: boolean,
    run: () => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    if (process.crashed) return new Promise(() => {});
    return new Promise<T>((resolve, reject) => {
      const call = { process, name, hasEffect, run, resolve: resolve as (value: unknown) => void, reject };
      this.#pending.push(signal ? { ...call, signal } : call);
    });
  }

  async send(process: Process, _: Connector, packet: Packet, context: Context<unknown, unknown>): Promise<Outcome> {
    const { signal } = context;
    const name = `send ${packet.id} ${packet.action} ${JSON.stringify(packet.fields)}`;
    const sent = async () => {
      this.target.fake.calls.push(packet);
      return this.#answer(packet);
    };
    const outcome = await this.#schedule(process, name, true, sent, signal);
    return this.#schedule(process, `answer ${outcome.kind}`, false, async () => outcome, signal);
  }

  #answer(packet: Packet): Outcome {
    const attempt = this.target.fake.calls.filter(({ id }) => id === packet.id).length;
    const answer = this.kind.answers?.(packet, attempt) ?? "ok";
    if (answer === "refuse") return refused("answered 422", { status: 422 });
    if (answer === "fail") return retry("answered 503", { status: 503 });
    this.target.take(packet, packet.id, this.core.clock.now());
    return delivered({ status: 200 });
  }

  probe(process: Process): Promise<boolean> {
    return this.schedule(process, "probe", false, async () => true);
  }

  secret(): unknown {
    return undefined;
  }

  stamp(): number {
    this.#stamp = this.core.clock.stamp();
    return this.#stamp;
  }

  /** Hash of the store, the queues in their order, the target and the clock. */
  worldHash(): string {
    const { db } = this.core.engine;
    const rows = tables.map(({ name, order }) => db.sql(`SELECT * FROM ${name} ORDER BY ${order}`).all());
    const { effects, state, fake } = this.target;
    const sent = effects.map(({ packet }) => [packet.id, packet.fields, packet.action]);
    const calls = fake.calls.map(({ id }) => id);
    return hashOf(rows, [...this.#queue.invisible], sent, [...state], calls, this.core.clock.elapsed(), this.#stamp);
  }

  /** Hash of the world and of both workers' program points. */
  stateHash(): string {
    return hashOf(
      this.worldHash(),
      this.workers.map(({ history, done, lives }) => (done ? "done" : [history, lives])),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { process } of this.workers) process.crashed = true;
    await this.core[Symbol.asyncDispose]();
  }
}

const lostAnswer = retry("the connection was reset", { code: "no-answer" });

/** All tables of the store. Rows of the ledger are ordered by chain, because only seals depend on the order across chains. */
const tables = [
  { name: "messages", order: "seq" },
  { name: "dedup", order: "seq" },
  { name: "packets", order: "seq" },
  { name: "packet_bodies", order: "seq" },
  { name: "events", order: "seq" },
  { name: "reservations", order: "connector, accepted, event" },
  { name: "documents", order: "id, kind" },
  { name: "ledger", order: "owner, number" },
  { name: "acceptance", order: "id" },
];

function hashOf(...parts: readonly unknown[]): string {
  const bigints = (_: string, value: unknown) => (typeof value === "bigint" ? String(value) : value);
  return createHash("sha1").update(JSON.stringify(parts, bigints)).digest("base64");
}

function ignoreLostAnswer(error: unknown): void {
  if (!(error instanceof AnswerLostError)) throw error;
}
