import { describe, expect, it } from "vitest";
import { startJob } from "../../../bridge/jobs/job-runner.ts";
import { restartSequence } from "../../../bridge/operations/restart-sequence.ts";
import { aCore, type Core, fakeTarget } from "../../support/core.ts";

const by = { actor: "jo", reason: "the database was restored" };

function notices({ lines }: Core): string[] {
  return lines.flatMap(({ step }) => (step === "sequence-restarted" || step === "order-mixed" ? [step] : []));
}

function at(second: number): string {
  return new Date(Date.parse("2026-03-01T11:00:00Z") + second * 1_000).toISOString();
}

describe("notices about a source's order", () => {
  it("reports a sequence that started again once an hour, and not a change that was overtaken on its way", async () => {
    await using core = await aCore();

    await core.emit(
      { id: "1", subject: "r", sequence: 900, time: at(1), data: { new_rate: 1 } },
      { id: "2", subject: "r", sequence: 899, time: at(0), data: { new_rate: 2 } },
    );
    await core.run();
    expect(notices(core)).toEqual([]);

    await core.emit({ id: "3", subject: "r", sequence: 1, time: at(2), data: { new_rate: 3 } });
    await core.run();
    await core.emit({ id: "4", subject: "r", sequence: 2, time: at(3), data: { new_rate: 4 } });
    await core.run();
    expect(notices(core)).toEqual(["sequence-restarted"]);

    await core.clock.advance(3_600_001);
    await core.emit({ id: "5", subject: "r", sequence: 3, time: at(4), data: { new_rate: 5 } });
    await core.run();
    expect(notices(core)).toEqual(["sequence-restarted", "sequence-restarted"]);
  });

  it("reports a sequence without times only if it is lower long after the higher one", async () => {
    await using core = await aCore();

    await core.emit({ id: "1", sequence: 900, data: { new_rate: 1 } }, { id: "2", sequence: 2, data: { new_rate: 2 } });
    await core.run();
    expect(notices(core)).toEqual([]);

    await core.clock.advance(601_000);
    await core.emit({ id: "3", sequence: 3, data: { new_rate: 3 } });
    await core.run();
    expect(notices(core)).toEqual(["sequence-restarted"]);
  });

  it("reports a source that numbers only some changes of a record, and places the others before them", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });

    await core.emit({ id: "1", subject: "r", sequence: 1, time: at(0), data: { new_rate: 1 } });
    await core.run();
    await core.emit({ id: "2", subject: "r", time: at(9), data: { new_rate: 2 } });
    await core.run();

    expect(target.state.get("r")).toEqual({ dailyRate: 1 });
    expect(notices(core)).toEqual(["order-mixed"]);
  });
});

describe("the confirmation of a restarted sequence", () => {
  it("makes later changes newer than all earlier ones, and lets a replay send those superseded meanwhile", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    await core.emit({ id: "1", subject: "r", sequence: 900, data: { new_rate: 1 } });
    await core.run();
    await core.clock.advance(60_000);
    const since = core.clock.now();
    await core.emit({ id: "2", subject: "r", sequence: 1, data: { new_rate: 2 } });
    await core.run();
    expect(target.state.get("r")).toEqual({ dailyRate: 1 });

    await core.clock.advance(10_000);
    expect(await restartSequence(core.engine, "hms.policy", since, by)).toBe(1);
    const request = { from: since, to: core.clock.now(), sheet: "current" } as const;
    await startJob(core.engine, { kind: "replay", request, actor: "jo" });
    await core.jobs();
    await core.run();
    expect(target.state.get("r")).toEqual({ dailyRate: 2 });

    await core.emit({ id: "3", subject: "r", sequence: 2, data: { new_rate: 3 } });
    await core.run();
    expect(target.state.get("r")).toEqual({ dailyRate: 3 });
    await core.emit({ id: "4", subject: "r", sequence: 1, data: { new_rate: 4 } });
    await core.run();
    expect(target.state.get("r")).toEqual({ dailyRate: 3 });
    const noted = (await core.entries()).find(({ facts }) => facts.type === "sync.sequence.accepted");
    expect(noted?.facts).toMatchObject({ actor: "jo", why: by.reason, source: "hms.policy" });
  });

  it("refuses a time in the future, and one that is not after the last restart", async () => {
    await using core = await aCore();
    const now = core.clock.now();

    await expect(restartSequence(core.engine, "s", now + 1, by)).rejects.toThrow("the restart is in the future");
    await restartSequence(core.engine, "s", now, by);
    await expect(restartSequence(core.engine, "s", now, by)).rejects.toThrow("is confirmed already");
    expect(await restartSequence(core.engine, "other", now, by)).toBe(1);
  });
});
