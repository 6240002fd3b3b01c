import type { Engine } from "../../bridge/engine.ts";
import type { CompliancePort } from "../../bridge/governance/compliance-engine.ts";
import { Catalog, type Connector, type Context } from "../../bridge/model/connector.ts";
import type { Outcome } from "../../bridge/model/outcome.ts";
import type { Packet } from "../../bridge/model/packet.ts";
import type { FilesPort } from "../../bridge/ports/files.ts";
import type { Put, StorePort } from "../../bridge/ports/store.ts";
import { writeConfirmed } from "../../bridge/recording/read-back.ts";
import { withWrite } from "../support/lost-answers.ts";

/** Crash of a process at its n-th call of a port or target, before or after the call's effect. */
export interface Crash {
  readonly call: number;
  readonly after: boolean;
}

/** One call of a process that waits for the scheduler. */
export interface Call {
  readonly process: Process;
  readonly name: string;
  /** False for a read, which can fail only before its effect. */
  readonly hasEffect: boolean;
  readonly run: () => Promise<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** One invocation of a handler, such as one call of a Lambda function or one pass of a worker loop. */
export class Process {
  readonly name: string;
  readonly crash: Crash | undefined;
  /** Number of processes begun before this one. Decides which packets this process can have seen. */
  readonly began: number;
  calls = 0;
  /** The last time stamp it received. µs */
  stamp = 0;
  /** Number of marks it has made. */
  marks = 0;
  crashed = false;
  /** Time before which none of its calls runs, as if the machine had been suspended. ms */
  frozenUntil = 0;

  constructor(name: string, began: number, crash?: Crash) {
    this.name = name;
    this.began = began;
    this.crash = crash;
  }
}

/** Everything outside a process that it can reach. */
export interface Environment {
  /** Waits until the scheduler runs the call. */
  schedule<T>(process: Process, name: string, hasEffect: boolean, run: () => Promise<T>): Promise<T>;
  send(process: Process, connector: Connector, packet: Packet, context: Context<unknown, unknown>): Promise<Outcome>;
  probe(process: Process, connector: Connector): Promise<boolean>;
  secret(connector: string): unknown;
  readonly compliance?: CompliancePort;
  readonly files: FilesPort;
  stamp(process: Process): number;
  /** Called before each write. */
  onWrite?(process: Process, puts: readonly Put[]): void;
}

/** Replaces parts of an engine for one test. */
export type Wrap = (engine: Engine) => Engine;

const effects = new Set(["write", "send", "receive", "remove", "delay", "startMove", "stopMove"]);

/** Creates the engine of one process. The scheduler runs each of its port calls and may make one fail or crash. */
export function engineOf(engine: Engine, process: Process, environment: Environment, wrap: Wrap): Engine {
  const scheduled = <T extends object>(name: string, port: T): T =>
    new Proxy(port, {
      get(target, key) {
        const member = Reflect.get(target, key, target);
        if (typeof member !== "function") return member;
        return (...args: unknown[]) =>
          environment.schedule(process, `${name}.${String(key)}`, effects.has(String(key)), async () => {
            if (key === "write") environment.onWrite?.(process, args[0] as readonly Put[]);
            return member.apply(target, args);
          });
      },
    });
  const ownEngine: Engine = {
    ...engine,
    clock: {
      now: () => engine.clock.now(),
      stamp: () => environment.stamp(process),
      elapsed: () => engine.clock.elapsed(),
      after: (ms, call) => engine.clock.after(ms, () => process.crashed || call()),
      sleep: (ms, signal) => engine.clock.sleep(ms, signal),
    },
    store: confirmed(scheduled("store", engine.store), () => `${process.name}.${process.began}.${process.marks++}`),
    queue: scheduled("queue", engine.queue),
    secrets: scheduled("secrets", {
      get: async (connector: string) => environment.secret(connector),
      refresh: async () => {},
    }),
    files: filesOf(process, environment),
    ...(environment.compliance && { compliance: scheduled("compliance", environment.compliance) }),
    log: (line) => process.crashed || engine.log(line),
  };
  const wrapped = wrap(ownEngine);
  const connectors = wrapped.catalog.ids.map((id) => {
    const connector = wrapped.catalog.get(id) as Connector;
    const called: Connector = {
      ...connector,
      send: (packet, context) => environment.send(process, connector, packet, context),
      probe: () => environment.probe(process, connector),
    };
    return called;
  });
  return { ...wrapped, catalog: new Catalog(connectors) };
}

/** Returns a store that reads a write back if it is answered as a conflict, as the store on AWS does. */
function confirmed(store: StorePort, mark: () => string): StorePort {
  return withWrite(store, (puts, entries) => writeConfirmed(store, { id: mark }, puts, entries));
}

/** Creates the file port of one process. The scheduler runs each call. */
function filesOf(process: Process, environment: Environment): FilesPort {
  const { files } = environment;
  return {
    find: (address) => environment.schedule(process, "files.find", false, () => files.find(address)),
    async *read(file, part) {
      const blocks = await environment.schedule(process, "files.read", false, () =>
        Array.fromAsync(files.read(file, part)),
      );
      yield* blocks;
    },
  };
}

export function workerOf(engine: Engine, connector: string, owner: string) {
  const found = engine.catalog.get(connector);
  if (!found) throw new Error(`no connector ${connector}; there are ${engine.catalog.ids.join(", ")}`);
  return { connector: found, owner, acquire: async () => () => {} };
}
