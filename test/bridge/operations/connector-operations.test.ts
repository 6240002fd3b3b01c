import { describe, expect, it } from "vitest";
import { verifyLedger } from "../../../bridge/ledger/verify.ts";
import { probe } from "../../../bridge/maintenance/probe.ts";
import { runMaintenance } from "../../../bridge/maintenance/run-maintenance.ts";
import { pause, redriveNow, resume } from "../../../bridge/operations/connector-operations.ts";
import type { Actor } from "../../../bridge/operations/operator.ts";
import { aCore, type Core, fakeTarget, invariantViolations } from "../../support/core.ts";

const jo: Actor = { actor: "jo", reason: "payroll closes its books" };

describe("a paused connector", () => {
  it("sends nothing while paused, loses nothing, and continues when resumed", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });

    const paused = await pause(core.engine, target.connector, jo);
    await core.emit({ id: "1", subject: "a", data: { new_rate: 1 } });
    await core.run();
    const waiting = await core.only();
    const resumed = await resume(core.engine, target.connector, jo);
    await core.rest();

    expect(paused).toMatchObject({ changed: true, health: { paused: true, pause: { actor: "jo", why: jo.reason } } });
    expect(waiting.progress).toMatchObject({ status: "QUEUED", place: "outbox" });
    expect(resumed.health).not.toHaveProperty("pause");
    expect(target.state.get("a")).toEqual({ dailyRate: 1 });
    expect(await invariantViolations(core, 1)).toEqual([]);
  });

  it("records operator, time and reason in the ledger once per change", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });

    await pause(core.engine, target.connector, jo);
    const again = await pause(core.engine, target.connector, jo);
    await resume(core.engine, target.connector, jo);

    expect(again.changed).toBe(false);
    expect(await auditEvents(core)).toEqual(["sync.connector.paused Fake@v1 jo", "sync.connector.resumed Fake@v1 jo"]);
    expect((await core.engine.store.tally()).events).toMatchObject({ NOTED: 2, UNMATCHED: 0 });
    expect((await verifyLedger(core.engine)).fault).toBeUndefined();
  });

  it("rejects a pause without a reason", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });

    expect(() => pause(core.engine, target.connector, { actor: "jo", reason: " " })).toThrow(/reason is empty/);
  });
});

describe("a requested redrive", () => {
  it("redrives the outbox at once instead of at its scheduled time", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    await parkOnePacket(core, target);

    const redriven = await redriveNow(core.engine, target.connector, jo);
    await runMaintenance(core.engine);
    await core.clock.advance(2_000);
    await core.run();

    expect(redriven).toEqual({ kind: "due", waiting: 1 });
    expect(target.state.get("a")).toEqual({ dailyRate: 1 });
    expect(await auditEvents(core)).toContain("sync.outbox.redriven Fake@v1 jo");
  });

  it("does nothing and reports why if the outbox is empty, the connector paused or the target down", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });

    expect(await redriveNow(core.engine, target.connector, jo)).toEqual({ kind: "empty" });
    await pause(core.engine, target.connector, jo);
    expect(await redriveNow(core.engine, target.connector, jo)).toMatchObject({
      kind: "refused",
      why: expect.stringMatching(/paused; resume it/),
    });
    await resume(core.engine, target.connector, jo);
    target.awake = false;
    await probe(core.engine, target.connector);
    expect(await redriveNow(core.engine, target.connector, jo)).toMatchObject({
      kind: "refused",
      why: expect.stringMatching(/down; probe it/),
    });
  });
});

/** Parks one packet in the outbox by pausing the connector, then clears the pause without scheduling a redrive. */
async function parkOnePacket(core: Core, target: ReturnType<typeof fakeTarget>): Promise<void> {
  await pause(core.engine, target.connector, jo);
  await core.emit({ id: "1", subject: "a", data: { new_rate: 1 } });
  await core.run();
  const [stored] = await core.engine.store.read("health", [target.id]);
  if (!stored) throw new Error(`no health record for ${target.id}`);
  const { pause: _, ...health } = stored.value;
  await core.engine.store.write([
    { kind: "health", id: target.id, value: { ...health, paused: false }, etag: stored.etag },
  ]);
}

async function auditEvents(core: Core): Promise<string[]> {
  const entries = (await core.entries()).filter(({ step }) => step === "NOTED");
  return entries.sort((a, b) => a.at - b.at).map(({ facts }) => `${facts.type} ${facts.connector} ${facts.actor}`);
}
