import type { Engine } from "../../bridge/engine.ts";
import { Catalog, type Connector, type Context } from "../../bridge/model/connector.ts";
import type { Outcome } from "../../bridge/model/outcome.ts";
import type { Packet } from "../../bridge/model/packet.ts";
import type { FilesPort } from "../../bridge/ports/files.ts";
import type { Put } from "../../bridge/ports/store.ts";

/** The end of a process: at its n-th call of a port or target, before that call's effect or after it. */
export interface Death {
  readonly call: number;
  readonly after: boolean;
}

/** One call of a process that waits to be let through. */
export interface Call {
  readonly process: Process;
  readonly name: string;
  /** A read has none: it fails before or not at all. */
  readonly hasEffect: boolean;
  readonly run: () => Promise<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** One invocation of a handler, as a Lambda function is called once or a loop goes round once. */
export class Process {
  readonly name: string;
  readonly death: Death | undefined;
  /** Its number in the order of beginning, by which the oracle knows what it may have seen. */
  readonly began: number;
  calls = 0;
  /** The last one it made. µs */
  stamp = 0;
  dead = false;
  over = false;
  /** ms: none of its calls is let through before, as if the machine had stopped for so long. */
  frozenUntil = 0;

  constructor(name: string, began: number, death?: Death) {
    this.name = name;
    this.began = began;
    this.death = death;
  }
}

/** Everything a process reaches outside itself. */
export interface Outside {
  /** Lets a call wait for its turn. */
  turn<T>(process: Process, name: string, hasEffect: boolean, run: () => Promise<T>): Promise<T>;
  send(process: Process, connector: Connector, packet: Packet, context: Context<unknown, unknown>): Promise<Outcome>;
  probe(process: Process, connector: Connector): Promise<boolean>;
  secret(connector: string): unknown;
  readonly files: FilesPort;
  stamp(process: Process): number;
  /** Called with every write before it is made. */
  wrote?(process: Process, puts: readonly Put[]): void;
}

/** Changes a port's method for one test: what the method would do, and the arguments it was called with. */
export type Wrap = (engine: Engine) => Engine;

const effects = new Set(["write", "send", "receive", "remove", "delay", "startMove", "stopMove"]);

/** The engine as one process sees it: each call of a port takes its turn, and may fail, or be the process's last. */
export function engineOf(engine: Engine, process: Process, outside: Outside, wrap: Wrap): Engine {
  const port = <T extends object>(name: string, given: T): T =>
    new Proxy(given, {
      get(target, key) {
        const member = Reflect.get(target, key, target);
        if (typeof member !== "function") return member;
        return (...args: unknown[]) =>
          outside.turn(process, `${name}.${String(key)}`, effects.has(String(key)), async () => {
            if (key === "write") outside.wrote?.(process, args[0] as readonly Put[]);
            return member.apply(target, args);
          });
      },
    });
  const ported: Engine = {
    ...engine,
    clock: {
      now: () => engine.clock.now(),
      stamp: () => outside.stamp(process),
      after: (ms, call) => engine.clock.after(ms, () => process.dead || call()),
      sleep: (ms, signal) => engine.clock.sleep(ms, signal),
    },
    store: port("store", engine.store),
    queue: port("queue", engine.queue),
    secrets: port("secrets", {
      get: async (connector: string) => outside.secret(connector),
      refresh: async () => {},
    }),
    files: filesOf(process, outside),
    log: (line) => process.dead || engine.log(line),
  };
  const wrapped = wrap(ported);
  const connectors = wrapped.catalog.ids.map((id) => {
    const connector = wrapped.catalog.get(id) as Connector;
    const called: Connector = {
      ...connector,
      send: (packet, context) => outside.send(process, connector, packet, context),
      probe: () => outside.probe(process, connector),
    };
    return called;
  });
  return { ...wrapped, catalog: new Catalog(connectors) };
}

/** A file is read block by block, each in its turn. */
function filesOf(process: Process, outside: Outside): FilesPort {
  const { files } = outside;
  return {
    find: (address) => outside.turn(process, "files.find", false, () => files.find(address)),
    async *read(file, part) {
      const blocks = await outside.turn(process, "files.read", false, () => Array.fromAsync(files.read(file, part)));
      yield* blocks;
    },
  };
}

export function carrierOf(engine: Engine, connector: string, owner: string) {
  const found = engine.catalog.get(connector);
  if (!found) throw new Error(`no connector ${connector}; there are ${engine.catalog.ids.join(", ")}`);
  return { connector: found, owner, acquire: async () => () => {} };
}
