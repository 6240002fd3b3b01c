import { describe, expect, it } from "vitest";
import {
  changeHealth,
  healthOf,
  isDown,
  markDown,
  markUp,
  recordFailure,
  recordSuccess,
} from "../../../bridge/delivery/circuit-breaker.ts";
import { noon } from "../../support/builders.ts";
import { aCore, fakeTarget } from "../../support/core.ts";

async function withFailures(...lanes: string[]) {
  const target = fakeTarget();
  const core = await aCore({ targets: [target] });
  for (const lane of lanes) await recordFailure(core.engine, target.id, lane);
  return { core, target, health: await core.health(target), [Symbol.asyncDispose]: () => core[Symbol.asyncDispose]() };
}

describe("circuit breaker", () => {
  it("starts with the target up", () => {
    expect(isDown(healthOf(noon))).toBe(false);
  });

  it.each<["UP" | "DOWN", string[]]>([
    ["UP", ["a", "b", "a", "b"]],
    ["UP", ["a", "a", "a", "a", "a"]],
    ["UP", ["a", "a", "a", "a", "a", "a", "a", "a"]],
    ["DOWN", ["a", "a", "a", "a", "b"]],
    ["DOWN", ["a", "b", "c", "d", "e"]],
    ["DOWN", ["b", "a", "a", "a", "a", "a"]],
  ])("leaves the target %s after failures in lanes %j", async (status, lanes) => {
    await using given = await withFailures(...lanes);

    expect(given.health?.status).toBe(status);
  });

  it("restarts the count of consecutive failures after a success", async () => {
    await using given = await withFailures("a", "b", "c", "d");

    await recordSuccess(given.core.engine, given.target.id);
    await recordFailure(given.core.engine, given.target.id, "e");

    expect(await given.core.health(given.target)).toMatchObject({ status: "UP", strikes: ["e"] });
  });

  it("counts every failure that processes record at the same time", async () => {
    await using given = await withFailures();

    await Promise.all(["a", "b", "c", "d", "e"].map((lane) => recordFailure(given.core.engine, given.target.id, lane)));

    expect((await given.core.health(given.target))?.status).toBe("DOWN");
    expect(given.core.lines.filter(({ step }) => step === "target-down")).toHaveLength(1);
  });

  it("writes nothing if nothing changes", async () => {
    await using given = await withFailures();

    await changeHealth(given.core.engine, given.target.id, (health) => health);

    expect(given.health).toBeUndefined();
    expect(await given.core.health(given.target)).toBeUndefined();
  });

  it("clears failures and the redrive gap when the status changes", () => {
    const failing = { ...healthOf(noon), strikes: ["a"], redriveGapMs: 5 };

    expect(markDown(failing, noon + 1)).toMatchObject({
      status: "DOWN",
      since: noon + 1,
      strikes: [],
      probedAt: noon + 1,
    });
    expect(markUp(markDown(failing, noon), noon + 2)).toEqual({
      status: "UP",
      since: noon + 2,
      strikes: [],
      paused: false,
      probedAt: noon,
      redriveAt: noon + 2,
    });
  });

  it("keeps a pause through both changes of status", () => {
    expect(markUp(markDown({ ...healthOf(noon), paused: true }, noon), noon)).toMatchObject({ paused: true });
  });
});
