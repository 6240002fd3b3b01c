import { describe, expect, test } from "vitest";
import type { Engine } from "../../../bridge/engine.ts";
import type { StorePort } from "../../../bridge/ports/store.ts";
import { figure } from "../../reliability/figure.ts";
import type { FakeOptions } from "../../support/core.ts";
import type { Wrap } from "../process.ts";
import { explore, type Failure } from "./explore.ts";
import { pairs } from "./kinds.ts";

/** Budget of CI. `npm run sim:explore -- --faults 2 --pauses 1` explores the whole. */
const budget = { faults: 0, pauses: 0 };

function describeFailures(failures: readonly Failure[]): string {
  return failures
    .flatMap(({ schedule, violations, trace }) => [...violations, schedule.join(" "), ...trace])
    .join("\n");
}

describe("every interleaving of two workers", () => {
  test.for(pairs)("keeps every guarantee for $name", { tags: "row-38", timeout: 600_000 }, async (kind, { task }) => {
    const { failures, isComplete, states, depth } = await explore(kind, budget);

    expect(failures, describeFailures(failures)).toEqual([]);
    expect(isComplete).toBe(true);
    figure(task, `${states} states, depth ${depth}`, { met: false });
  });
});

/** Safeguards that are removed one at a time. The exploration must then find a violation. */
const removals: readonly {
  readonly safeguard: string;
  readonly kind: string;
  readonly wrap: Wrap;
  readonly target?: FakeOptions;
}[] = [
  {
    safeguard: "the shadow",
    kind: "with time, the newer first",
    wrap: withStore((store) => ({
      read: async (kind, ids) => (kind === "shadow" ? ids.map(() => undefined) : store.read(kind, ids)),
      write: (puts, entries) =>
        store.write(
          puts.filter(({ kind }) => kind !== "shadow"),
          entries,
        ),
    })),
  },
  {
    safeguard: "the places in a strict lane",
    kind: "strict and strict",
    wrap: withStore(() => ({ lanePlaces: async () => [] })),
  },
  {
    safeguard: "the lease of a packet",
    kind: "a redelivery of the same messages",
    // A target that detects duplicates has one effect even without leases.
    target: { idempotent: false },
    wrap: withStore((store) => ({
      // Each claim seems to succeed.
      write: async (puts, entries = []) => (entries.length === 0 ? "written" : store.write(puts, entries)),
    })),
  },
];

test.for(removals)(
  "an exploration without $safeguard finds a violation",
  { tags: "row-38", timeout: 600_000 },
  async (removal) => {
    const kind = pairs.find(({ name }) => name === removal.kind);
    if (!kind) throw new Error(`no kind ${removal.kind}`);
    const { failures } = await explore(
      { ...kind, target: { ...kind.target, ...removal.target } },
      { ...budget, wrap: removal.wrap, stopsEarly: true },
    );

    expect(failures).not.toEqual([]);
  },
);

function withStore(methods: (store: StorePort) => Partial<StorePort>): Wrap {
  return (engine: Engine) => {
    const own = methods(engine.store);
    const store = new Proxy(engine.store, {
      get(target, name) {
        const member = Reflect.get(own, name) ?? Reflect.get(target, name, target);
        return typeof member === "function" ? member.bind(target) : member;
      },
    });
    return { ...engine, store };
  };
}
