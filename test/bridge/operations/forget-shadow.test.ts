import { describe, expect, it } from "vitest";
import { runJobs, startJob } from "../../../bridge/jobs/job-runner.ts";
import { forget } from "../../../bridge/operations/forget-shadow.ts";
import { aCore, type Core, fakeTarget } from "../../support/core.ts";

describe("a forgotten shadow", () => {
  it.each([
    ["one record", "a"],
    ["all records", undefined],
  ])("sends values again that seem unchanged after forgetting %s", async (_, entity) => {
    const target = fakeTarget();
    await using core = await aDeliveredCore(target);
    target.state.set("a", { dailyRate: "changed by hand" });

    expect(await forget(core.engine, target.connector, "jo", entity)).toBe(true);
    await core.emit({ id: "again", subject: "a", sequence: 9, data: { new_rate: 3 } });
    await core.run();

    expect(target.state.get("a")).toEqual({ dailyRate: 3 });
    expect(target.calls).toHaveLength(5);
  });

  it("learns the value from the next packet, so a further repeat is not sent", async () => {
    const target = fakeTarget();
    await using core = await aDeliveredCore(target);
    await forget(core.engine, target.connector, "jo");

    await core.emit({ id: "again", subject: "a", sequence: 9, data: { new_rate: 3 } });
    await core.run();
    await core.emit({ id: "once more", subject: "a", sequence: 10, data: { new_rate: 3 } });
    await core.run();

    expect(target.calls).toHaveLength(5);
  });

  it("keeps the shadows of other records", async () => {
    const target = fakeTarget();
    await using core = await aDeliveredCore(target);

    await forget(core.engine, target.connector, "jo", "a");
    await core.emit({ id: "again", subject: "b", sequence: 9, data: { new_rate: 7 } });
    await core.run();

    expect(target.calls).toHaveLength(4);
  });

  it("sends only the newest value in a replay", async () => {
    const target = fakeTarget();
    await using core = await aDeliveredCore(target);
    target.state.clear();
    await forget(core.engine, target.connector, "jo");

    const request = { from: 0, to: Number.MAX_SAFE_INTEGER };
    await startJob(core.engine, { kind: "replay", request, actor: "jo" });
    await runJobs(core.engine, () => true);
    await core.rest();

    expect(target.state.get("a")).toEqual({ dailyRate: 3 });
    expect(target.state.get("b")).toEqual({ dailyRate: 7 });
    expect(
      target.calls
        .slice(4)
        .map(({ fields }) => fields.dailyRate)
        .sort(),
    ).toEqual([3, 7]);
  });

  it("reports that a record that was never sent has no shadow", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });

    expect(await forget(core.engine, target.connector, "jo", "nobody")).toBe(false);
  });
});

/** Record a was sent 1, 2 and 3, record b 7. */
async function aDeliveredCore(target: ReturnType<typeof fakeTarget>): Promise<Core> {
  const core = await aCore({ targets: [target] });
  for (const rate of [1, 2, 3]) {
    await core.emit({ id: `${rate}`, subject: "a", sequence: rate, data: { new_rate: rate } });
    await core.run();
  }
  await core.emit({ id: "b", subject: "b", sequence: 4, data: { new_rate: 7 } });
  await core.run();
  await core.clock.advance(1_000);
  return core;
}
