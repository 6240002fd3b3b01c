import { describe, expect, it } from "vitest";
import { previewBulk } from "../../../bridge/jobs/bulk-operation.ts";
import { runJobs, startJob } from "../../../bridge/jobs/job-runner.ts";
import { verifyLedger } from "../../../bridge/ledger/verify.ts";
import type { BulkRequest } from "../../../bridge/model/job.ts";
import { refused } from "../../../bridge/model/outcome.ts";
import { release } from "../../../bridge/operations/release.ts";
import { aCore, type Core, type FakeTarget, fakeTarget, invariantViolations } from "../../support/core.ts";
import { crashAfter } from "../../support/crash-after.ts";

const why = { reason: "payroll is mended" };

describe("a bulk operation", () => {
  it("releases all matching packets and records operator and reason for each in the ledger", async () => {
    await using held = await someHeld(5);
    const { core, target } = held;
    target.behave = (sent) => target.take(sent);

    const { id } = await start(core, { act: "release", filter: {}, ...why });
    await core.jobs();
    await core.rest();

    expect((await core.engine.store.read("job", [id]))[0]?.value).toMatchObject({ status: "DONE", looked: 5, made: 5 });
    expect(await statuses(core)).toEqual({ SENT: 5 });
    for (const { packet } of await core.packets()) {
      const facts = (await core.engine.store.chain(packet.id)).map((entry) => entry.facts);
      expect(facts).toContainEqual(expect.objectContaining({ act: "release", actor: "jo", why: why.reason }));
    }
    expect((await verifyLedger(core.engine)).fault).toBeUndefined();
    expect(await invariantViolations(core, 5)).toEqual([]);
  });

  it.each<[string, BulkRequest["filter"], number]>([
    ["connector", { connector: "Other@v1" }, 0],
    ["sheet", { sheet: "per_diem" }, 5],
    ["record", { entity: "r3" }, 1],
    ["text", { text: "R4" }, 1],
    ["time", { from: 1, to: 2 }, 0],
  ])("changes only packets that match the filter by %s", async (_, filter, count) => {
    await using held = await someHeld(5);

    await start(held.core, { act: "discard", filter, ...why });
    await held.core.jobs();

    expect((await statuses(held.core)).DISCARDED ?? 0).toBe(count);
  });

  it("previews its result without changing anything", async () => {
    await using held = await someHeld(3);
    const { core } = held;
    await core.emit({ id: "b", subject: "b", data: { new_rate: 1, note: "123-45-6789" } });
    await core.run();
    const before = await core.entries();

    const released = await previewBulk(core.engine, { act: "release", filter: {}, ...why });
    const discarded = await previewBulk(core.engine, { act: "discard", filter: {}, ...why });

    expect(released).toMatchObject({
      looked: 4,
      made: 3,
      refused: { "governance blocks note (otherwise); edit it, or change the policy": 1 },
    });
    expect(discarded).toMatchObject({ looked: 4, made: 4, refused: {} });
    expect(await core.entries()).toEqual(before);
  });

  it("keeps to its rate", async () => {
    await using held = await someHeld(10);
    const { core } = held;
    await start(core, { act: "release", filter: {}, ...why }, 5);

    let pages = 1;
    const working = runJobs(core.engine, () => pages-- > 0);
    await core.clock.advance(1);
    await core.clock.advance(5_000);
    await working;

    expect((await statuses(core)).QUEUED).toBe(5);
  });

  it("releases no packet twice if it is held again, and continues after a crash at any write", async () => {
    for (let writes = 0, over = false; !over; writes++) {
      await using held = await someHeld(6);
      const { core, target } = held;
      const { id } = await start(core, { act: "release", filter: {}, ...why });

      await runJobs(crashAfter(core.engine, writes), () => true).catch(() => {});
      over = (await core.engine.store.read("job", [id]))[0]?.value.status === "DONE";
      await core.run();
      await core.clock.advance(core.engine.times.leaseMs);
      await core.jobs();
      await core.rest();

      expect(target.calls, `after ${writes} writes`).toHaveLength(12);
      expect(await statuses(core)).toEqual({ HELD: 6 });
    }
  });

  it("skips packets that another operator released in the meantime", async () => {
    await using held = await someHeld(2);
    const { core, target } = held;
    target.behave = (sent) => target.take(sent);
    await start(core, { act: "discard", filter: {}, ...why });
    const [first] = await core.packets();

    await release(core.engine, { id: first?.packet.id ?? "" }, { actor: "kim", ...why });
    await core.jobs();
    await core.rest();

    expect(await statuses(core)).toEqual({ SENT: 1, DISCARDED: 1 });
  });

  it("replaces each packet once with the packet that the current sheets create", async () => {
    await using held = await someHeld(3);
    const { core, target } = held;
    target.behave = (sent) => target.take(sent);
    await core.use({ per_diem: sheet("perDiem") });

    await start(core, { act: "release", sheet: "current", filter: {}, ...why });
    await core.jobs();
    await core.rest();

    expect(await statuses(core)).toEqual({ SUPERSEDED: 3, SENT: 3 });
    expect(target.state.get("r1")).toEqual({ perDiem: 1 });
  });
});

function sheet(field: string): string {
  return `source_event: policy.per_diem.updated\ntargets: { fake: { connector: Fake, map: { new_rate: ${field}, note: note } } }`;
}

function start(core: Core, request: BulkRequest, perSecond?: number) {
  return startJob(core.engine, { kind: "bulk", actor: "jo", request, ...(perSecond && { perSecond }) });
}

async function statuses(core: Core): Promise<Record<string, number>> {
  const { packets } = await core.engine.store.tally();
  return Object.fromEntries(Object.entries(packets).filter(([, count]) => count > 0));
}

async function someHeld(count: number): Promise<AsyncDisposable & { core: Core; target: FakeTarget }> {
  const target = fakeTarget();
  const core = await aCore({ targets: [target], sheets: { per_diem: sheet("dailyRate") } });
  target.behave = () => refused("answered 422");
  const events = Array.from({ length: count }, (_, i) => ({ id: `${i}`, subject: `r${i}`, data: { new_rate: i } }));
  await core.emit(...events);
  await core.run();
  await core.clock.advance(1);
  return { core, target, [Symbol.asyncDispose]: () => core[Symbol.asyncDispose]() };
}
