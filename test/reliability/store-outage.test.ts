import { describe, expect, test } from "vitest";
import * as z from "zod";
import { verifyLedger } from "../../bridge/ledger/verify.ts";
import { runMaintenance } from "../../bridge/maintenance/run-maintenance.ts";
import { seededRandom } from "../support/clock.ts";
import { aCore, type Core, fakeTarget, invariantViolations } from "../support/core.ts";

const minuteMs = 60_000;

/** Ports of an engine whose calls fail, with the error that AWS reports. */
interface Outage {
  readonly name: string;
  readonly ports: readonly ("store" | "queue" | "secrets")[];
  readonly error: string;
  readonly ms: number;
}

const outages: readonly Outage[] = [
  { name: "the store throttles for 5 min", ports: ["store"], error: "ThrottlingException", ms: 5 * minuteMs },
  { name: "the store is away for 2 h", ports: ["store"], error: "InternalServerError", ms: 120 * minuteMs },
  {
    name: "the encryption key is disabled for 2 h",
    ports: ["store", "queue", "secrets"],
    error: "KMSDisabledException",
    ms: 120 * minuteMs,
  },
  {
    name: "the key of the secrets is disabled for 2 h",
    ports: ["secrets"],
    error: "KMSDisabledException",
    ms: 120 * minuteMs,
  },
];

/** Time after the outage in which all work must be finished: longer than the longest back-off. */
const restMs = 20 * minuteMs;

describe("the bridge", { tags: "row-39" }, () => {
  test.each(outages)("loses and holds nothing, and needs nobody, if $name", async (outage) => {
    const target = fakeTarget({ secret: z.object({ token: z.string() }) });
    const env = { BRIDGE_SECRET_FAKE: '{"token":"t"}' };
    await using core = await aCore({ targets: [target], env });
    const damaged = withOutage(core, outage);
    let emitted = 0;
    const emit = async () => {
      emitted++;
      await core.emit({
        id: `${emitted}`,
        subject: `r${emitted % 20}`,
        sequence: emitted,
        data: { new_rate: emitted },
      });
    };

    // Some packets are under way when the outage begins.
    for (let i = 0; i < 20; i++) await emit();
    await core.map();
    damaged.begin();
    for (let ms = 0; ms < outage.ms; ms += 5_000) {
      if (ms % minuteMs === 0) await emit();
      await work(core, damaged);
      await core.clock.advance(5_000);
    }
    damaged.end();
    const endedAt = core.clock.now();
    while (core.clock.now() < endedAt + restMs) {
      await work(core, damaged);
      await core.clock.advance(5_000);
    }

    const { packets } = await core.engine.store.tally();
    expect(damaged.failures()).toBeGreaterThan(100);
    expect(packets).toMatchObject({ QUEUED: 0, RETRY: 0, HELD: 0 });
    expect(await core.depth("inbox-dead")).toBe(0);
    expect(await invariantViolations(core, emitted)).toEqual([]);
    expect((await verifyLedger(core.engine)).fault).toBeUndefined();
    expect([...target.effects.values()].every((count) => count === 1)).toBe(true);
    const newest = new Map<string, number>();
    for (let n = 1; n <= emitted; n++) newest.set(`r${n % 20}`, n);
    expect(new Map([...target.state].map(([subject, fields]) => [subject, fields.dailyRate]))).toEqual(newest);
  });
});

type Engine = Core["engine"];

/** Does the work of the worker loops once. As there, a failed turn is only repeated. */
async function work(core: Core, { engine, canReceive }: { engine: Engine; canReceive: boolean }): Promise<void> {
  await runMaintenance(engine).catch(() => {});
  if (canReceive) await core.run(engine).catch(() => {});
}

/** Returns an engine whose calls fail during the outage, half of them after their effect. */
function withOutage(core: Core, { ports, error, ms }: Outage) {
  const random = seededRandom(ms);
  const effects = new Set(["write", "send"]);
  let failing = false;
  let failures = 0;
  const damaged = <T extends object>(port: T): T =>
    new Proxy(port, {
      get(target, key) {
        const member = Reflect.get(target, key, target);
        if (typeof member !== "function") return member;
        return async (...args: unknown[]) => {
          if (!failing) return member.apply(target, args);
          failures++;
          // The answer to a call that was made as the outage began is lost.
          if (failures < 10 && effects.has(String(key)) && random.fraction() < 0.5) await member.apply(target, args);
          throw Object.assign(new Error("not available"), { name: error });
        };
      },
    });
  const engine = { ...core.engine, ...Object.fromEntries(ports.map((port) => [port, damaged(core.engine[port])])) };
  return {
    engine: engine as Engine,
    /** False while messages cannot be received either, so that their receives are not counted. */
    get canReceive() {
      return !(failing && ports.includes("queue"));
    },
    failures: () => failures,
    begin: () => {
      failing = true;
    },
    end: () => {
      failing = false;
    },
  };
}
