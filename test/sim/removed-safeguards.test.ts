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

/** An order that the producers did not give, or that the bridge noticed too late. */
const outOfOrder =
  /got a change after one that its producer made later|held for an unexpected reason: HELD a newer change/;

/**
 * Safeguards that are removed one at a time. The simulation must then report a violation, which proves that the row of
 * the reliability table can fail.
 */
const removals: readonly {
  readonly safeguard: string;
  /** Row of the reliability table that fails without the safeguard. */
  readonly row: "row-6" | "row-8" | "row-9" | "row-22" | "row-33" | "row-36";
  /** Pattern of the violation that the simulation must report. */
  readonly expected: RegExp;
  readonly options: Omit<SimulateOptions, "seed">;
}[] = [
  {
    safeguard: "the idempotency key",
    row: "row-8",
    expected: /had 2 effects/,
    options: { keyOf: ({ id }, attempt) => `${id}.${attempt}` },
  },
  {
    safeguard: "the shadow",
    row: "row-9",
    expected: /went back/,
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
    row: "row-33",
    expected: /the ledger: does not follow from the entry before it/,
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
    safeguard: "event keys derived from the event",
    row: "row-8",
    expected: /events in, \d+ accounted for/,
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
    row: "row-6",
    expected: /a packet that was not recorded/,
    options: { wrap: queueFirst },
  },
  {
    safeguard: "the order of acceptance",
    row: "row-36",
    expected: /its producers said/,
    options: {
      wrap: withQueue((queue) => ({
        async receive(name, options) {
          const messages = await queue.receive(name, options);
          return messages.map((message) => ({ ...message, stamp: -(message.stamp ?? 0) }));
        },
      })),
    },
  },
  {
    safeguard: "the places in a strict lane",
    row: "row-36",
    expected: outOfOrder,
    options: { wrap: withStore(() => ({ lanePlaces: async () => [] })), restMs: 7_200_000 },
  },
  {
    safeguard: "the places of events that are not expanded yet",
    row: "row-36",
    expected: outOfOrder,
    options: { wrap: withStore(() => ({ reservation: async () => undefined })) },
  },
  {
    safeguard: "settling before acknowledging",
    row: "row-6",
    expected: /events in, \d+ accounted for/,
    options: { ackFirst: true },
  },
  {
    safeguard: "the watchdog's requeueing",
    row: "row-6",
    expected: /is still open|events in/,
    options: {
      restMs: 7_200_000,
      wrap: withStore(() => ({
        unsent: async () => [],
        waiting: async () => ({ items: [] }),
        unsentEvents: async () => ({ items: [] }),
      })),
    },
  },
  {
    safeguard: "governance before sending",
    row: "row-22",
    expected: /left unvetted/,
    options: {
      wrap: (engine) => ({
        ...engine,
        sheets: () => ({ ...engine.sheets(), policy: aPolicy(allowed) }),
      }),
    },
  },
];

for (const { safeguard, row, expected, options } of removals) {
  test(`the simulator reports a violation without ${safeguard}`, { tags: row, timeout: 120_000 }, async () => {
    const messages: string[] = [];
    for (let seed = 1; seed <= 30 && !messages.some((message) => expected.test(message)); seed++) {
      const { violations } = await simulate({ ...options, seed, events: 30 });
      messages.push(...violations.map(({ message }) => message));
    }
    expect(messages.join("\n")).toMatch(expected);
  });
}

test("without the circuit breaker, a target that is down is called repeatedly", { tags: "row-18" }, async () => {
  const calls = async (wrap: Wrap) => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    target.awake = false;
    target.behave = () => retry("the connection was refused", { mayHaveLanded: false });
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

test("without deduplication ids, a packet is queued twice in its lane", { tags: "row-8" }, async () => {
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

/** Fails the first write that clears an event's unsent mark, like a crash right after the messages were queued. */
function failingOnce(store: StorePort): StorePort {
  let writes = 0;
  return override(store, {
    write: (puts, entries) => {
      const confirms = puts.every(({ kind, etag }) => kind === "event" && etag > 0);
      return confirms && writes++ === 0
        ? Promise.reject(new Error("the process has ended"))
        : store.write(puts, entries);
    },
  });
}

/** Delays the first write of packets until their messages are queued. */
function queueFirst(engine: Engine): Engine {
  const delayed: (() => Promise<unknown>)[] = [];
  return {
    ...engine,
    store: override(engine.store, {
      async write(puts, entries) {
        if (!puts.some(({ kind, etag }) => kind === "packet" && etag === 0)) return engine.store.write(puts, entries);
        const ids = puts.flatMap(({ kind, id }) => (kind === "event" ? [id] : []));
        const known = await engine.store.read("event", ids);
        if (known.some((stored) => stored)) return engine.store.write(puts, entries);
        delayed.push(() => engine.store.write(puts, entries));
        return "written";
      },
    }),
    queue: override(engine.queue, {
      async send(name, messages) {
        await engine.queue.send(name, messages);
        for (const write of delayed.splice(0)) await write();
      },
    }),
  };
}

function withStore(methods: (store: StorePort) => Partial<StorePort>): Wrap {
  return (engine) => ({ ...engine, store: override(engine.store, methods(engine.store)) });
}

function withQueue(methods: (queue: QueuePort) => Partial<QueuePort>): Wrap {
  return (engine) => ({ ...engine, queue: override(engine.queue, methods(engine.queue)) });
}

/** Replaces some methods of a port. */
function override<T extends object>(port: T, methods: Partial<T>): T {
  return new Proxy(port, {
    get(target, name) {
      const replaced = Reflect.get(methods, name);
      if (replaced) return replaced;
      const member = Reflect.get(target, name, target);
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
}
