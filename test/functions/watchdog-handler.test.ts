import { describe, expect, it } from "vitest";
import { startJob } from "../../bridge/jobs/job-runner.ts";
import { watchdogHandler } from "../../functions/watchdog-handler.ts";
import { aCore, fakeTarget } from "../support/core.ts";
import { crashAfter } from "../support/crash-after.ts";

const all = { from: 0, to: Number.MAX_SAFE_INTEGER, force: true };
const aMinute = { getRemainingTimeInMillis: () => 30_000 };

describe("watchdog handler", () => {
  it("enqueues a packet that a mapper recorded before it crashed", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    await core.emit({ id: "1", subject: "r", data: { new_rate: 1 } });
    await core.map(crashAfter(core.engine, 2)).catch(() => {});
    expect(await core.depth(`lane:${target.id}`)).toBe(0);
    await core.clock.advance(core.engine.times.putBackMs + 1);

    await watchdogHandler(core.engine)({}, aMinute);
    await core.run();

    expect(target.state.get("r")).toEqual({ dailyRate: 1 });
  });

  it("continues jobs and leaves the rest to the next invocation before its timeout", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    await core.emit(...Array.from({ length: 400 }, (_, i) => ({ id: `${i}`, subject: `${i}`, data: { new_rate: i } })));
    await core.run();
    const { id } = await startJob(core.engine, { kind: "replay", request: all, actor: "jo" });
    const handler = watchdogHandler(core.engine);

    const call = handler({}, aMinute);
    for (let second = 0; second < 30; second++) await core.clock.advance(1_000);
    await call;
    const first = (await core.engine.store.read("job", [id]))[0]?.value;
    await core.run();
    await handler({}, aMinute);
    const second = (await core.engine.store.read("job", [id]))[0]?.value;

    // Nothing drains the lanes during an invocation, so each one creates packets until they are full.
    expect(first).toMatchObject({ status: "RUNNING", made: 225 });
    expect(first?.leasedUntil).toBeUndefined();
    expect(second).toMatchObject({ status: "DONE", made: 400 });
  });
});
