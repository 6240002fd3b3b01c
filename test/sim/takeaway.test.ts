import { expect, test } from "vitest";
import type { Engine } from "../../bridge/engine.ts";
import { verifyLedger } from "../../bridge/ledger/verify.ts";
import { retry } from "../../bridge/model/outcome.ts";
import type { QueuePort } from "../../bridge/ports/queue.ts";
import type { Put, StorePort } from "../../bridge/ports/store.ts";
import { aCore, aPolicy, fakeTarget } from "../support/core.ts";
import type { Wrap } from "./process.ts";
import { type SimulateOptions, simulate } from "./simulate.ts";

const allowed = "rules: [{ id: a, field: note, action: allow }, { id: b, field: remark, action: allow }]";

/** Each safeguard is taken away, and the simulation must notice: a row that cannot fail is none. */
const takenAway: readonly {
  readonly safeguard: string;
  /** The row of the reliability table that would not hold. */
  readonly row: number;
  readonly notices: RegExp;
  readonly options: Omit<SimulateOptions, "seed">;
}[] = [
  {
    safeguard: "the idempotency key",
    row: 8,
    notices: /had 2 effects/,
    options: { keyOf: ({ id }, tries) => `${id}.${tries}` },
  },
  {
    safeguard: "the shadow",
    row: 9,
    notices: /went back/,
    options: {
      wrap: withStore((store) => ({
        read: async (kind, ids) => (kind === "shadow" ? ids.map(() => undefined) : store.read(kind, ids)),
        write: (puts, entries) =>
          store.write(
            puts.filter(({ kind }) => kind !== "shadow"),
            entries,
          ),
      })),
    },
  },
  {
    safeguard: "the hash chain",
    row: 33,
    notices: /the ledger: does not follow from the entry before it/,
    options: {
      wrap: withStore((store) => ({
        write: (puts, entries = []) =>
          store.write(
            puts,
            entries.map((entry) => ({ ...entry, prev: "f".repeat(64) })),
          ),
      })),
    },
  },
  {
    safeguard: "ids that follow from the event, and with them the notice of what was here before",
    row: 8,
    notices: /events in, \d+ accounted for/,
    options: {
      wrap: withQueue((queue) => ({
        async receive(name, options) {
          const messages = await queue.receive(name, options);
          return messages.map((message) =>
            name === "inbox"
              ? { ...message, body: message.body.replace('"id":"', `"id":"${message.receipt}-`) }
              : message,
          );
        },
      })),
    },
  },
  {
    safeguard: "recording before queueing",
    row: 6,
    notices: /a packet that was not recorded/,
    options: { wrap: queueingFirst },
  },
  {
    safeguard: "settling before acknowledging",
    row: 6,
    notices: /events in, \d+ accounted for/,
    options: { ackFirst: true },
  },
  {
    safeguard: "the sweeper",
    row: 6,
    notices: /is still open|events in/,
    options: {
      restMs: 7_200_000,
      wrap: withStore(() => ({
        unsent: async () => [],
        waiting: async () => ({ items: [] }),
        unsentEvents: async () => [],
      })),
    },
  },
  {
    safeguard: "governance that is asked before anything leaves",
    row: 22,
    notices: /left unvetted/,
    options: {
      wrap: (engine) => ({
        ...engine,
        sheets: () => ({ ...engine.sheets(), policy: aPolicy(allowed) }),
      }),
    },
  },
];

test.each(takenAway)(
  "the simulator notices that row $row does not hold without $safeguard",
  { timeout: 120_000 },
  async ({ notices, options }) => {
    const laws: string[] = [];
    for (let seed = 1; seed <= 30 && !laws.some((law) => notices.test(law)); seed++) {
      const { broken } = await simulate({ ...options, seed, events: 30 });
      laws.push(...broken.map(({ law }) => law));
    }
    expect(laws.join("\n")).toMatch(notices);
  },
);

test("without the breaker row 18 does not hold: a target that is down is called again and again", async () => {
  const calls = async (wrap: Wrap) => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    target.awake = false;
    target.behave = () => retry("nobody listens there", { mayHaveLanded: false });
    const engine = wrap(core.engine);
    await core.emit(...Array.from({ length: 30 }, (_, i) => ({ id: `${i}`, subject: `${i}`, data: { new_rate: i } })));
    for (let second = 0; second < 120; second++) {
      await core.run(engine);
      await core.clock.advance(1_000);
    }
    return target.calls.length;
  };
  const withoutBreaker = withStore((store) => ({
    write: (puts, entries) =>
      store.write(
        puts.map(
          (put): Put => (put.kind === "health" ? { ...put, value: { ...put.value, status: "UP", strikes: [] } } : put),
        ),
        entries,
      ),
  }));

  expect(await calls((engine) => engine)).toBeLessThan(30);
  expect(await calls(withoutBreaker)).toBeGreaterThan(150);
});

test("without deduplication row 8 does not hold: a packet waits in its lane twice", async () => {
  const depth = async (wrap: Wrap) => {
    await using core = await aCore();
    const engine = wrap(core.engine);
    await core.emit({ id: "1", data: { new_rate: 1 } });
    await core.map({ ...engine, store: failingOnce(engine.store) });
    await core.clock.advance(2_000);
    await core.map(engine);
    expect((await verifyLedger(core.engine)).fault).toBeUndefined();
    return core.depth("lane:Fake@v1");
  };
  const withoutIds = withQueue((queue) => ({
    send: (name, messages) =>
      queue.send(
        name,
        messages.map(({ group, body }) => ({ group, body })),
      ),
  }));

  expect(await depth((engine) => engine)).toBe(1);
  expect(await depth(withoutIds)).toBe(2);
});

/** The process ends between the queue and the mark that everything is there. */
function failingOnce(store: StorePort): StorePort {
  let writes = 0;
  return over(store, {
    write: (puts, entries) => {
      const confirms = puts.every(({ kind, etag }) => kind === "event" && etag > 0);
      return confirms && writes++ === 0
        ? Promise.reject(new Error("the process has ended"))
        : store.write(puts, entries);
    },
  });
}

/** The first write of packets is put off until a queue has their messages. */
function queueingFirst(engine: Engine): Engine {
  const late: (() => Promise<unknown>)[] = [];
  return {
    ...engine,
    store: over(engine.store, {
      async write(puts, entries) {
        if (!puts.some(({ kind, etag }) => kind === "packet" && etag === 0)) return engine.store.write(puts, entries);
        const ids = puts.flatMap(({ kind, id }) => (kind === "event" ? [id] : []));
        const known = await engine.store.read("event", ids);
        if (known.some((stored) => stored)) return engine.store.write(puts, entries);
        late.push(() => engine.store.write(puts, entries));
        return "written";
      },
    }),
    queue: over(engine.queue, {
      async send(name, messages) {
        await engine.queue.send(name, messages);
        for (const write of late.splice(0)) await write();
      },
    }),
  };
}

function withStore(methods: (store: StorePort) => Partial<StorePort>): Wrap {
  return (engine) => ({ ...engine, store: over(engine.store, methods(engine.store)) });
}

function withQueue(methods: (queue: QueuePort) => Partial<QueuePort>): Wrap {
  return (engine) => ({ ...engine, queue: over(engine.queue, methods(engine.queue)) });
}

/** A port with some of its methods replaced. */
function over<T extends object>(port: T, methods: Partial<T>): T {
  return new Proxy(port, {
    get(target, name) {
      const replaced = Reflect.get(methods, name);
      if (replaced) return replaced;
      const member = Reflect.get(target, name, target);
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
}
