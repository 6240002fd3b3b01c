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

async function struck(...lanes: string[]) {
  const target = fakeTarget();
  const core = await aCore({ targets: [target] });
  for (const lane of lanes) await recordFailure(core.engine, target.id, lane);
  return { core, target, health: await core.health(target), [Symbol.asyncDispose]: () => core[Symbol.asyncDispose]() };
}

describe("a target's health", () => {
  it("is up where nothing is known", () => {
    expect(isDown(healthOf(noon))).toBe(false);
  });

  it.each<[string[], "UP" | "DOWN"]>([
    [["a", "b", "a", "b"], "UP"],
    [["a", "a", "a", "a", "a"], "UP"],
    [["a", "a", "a", "a", "a", "a", "a", "a"], "UP"],
    [["a", "a", "a", "a", "b"], "DOWN"],
    [["a", "b", "c", "d", "e"], "DOWN"],
    [["b", "a", "a", "a", "a", "a"], "DOWN"],
  ])("after strikes from %j is %s", async (lanes, status) => {
    await using given = await struck(...lanes);

    expect(given.health?.status).toBe(status);
  });

  it("begins to count anew after a success", async () => {
    await using given = await struck("a", "b", "c", "d");

    await recordSuccess(given.core.engine, given.target.id);
    await recordFailure(given.core.engine, given.target.id, "e");

    expect(await given.core.health(given.target)).toMatchObject({ status: "UP", strikes: ["e"] });
  });

  it("counts every strike of many processes that strike at once", async () => {
    await using given = await struck();

    await Promise.all(["a", "b", "c", "d", "e"].map((lane) => recordFailure(given.core.engine, given.target.id, lane)));

    expect((await given.core.health(given.target))?.status).toBe("DOWN");
    expect(given.core.lines.filter(({ step }) => step === "target-down")).toHaveLength(1);
  });

  it("writes nothing where nothing changes", async () => {
    await using given = await struck();

    await changeHealth(given.core.engine, given.target.id, (health) => health);

    expect(given.health).toBeUndefined();
    expect(await given.core.health(given.target)).toBeUndefined();
  });

  it("forgets strikes and gaps when it turns", () => {
    const struckHealth = { ...healthOf(noon), strikes: ["a"], redriveGapMs: 5 };

    expect(markDown(struckHealth, noon + 1)).toMatchObject({
      status: "DOWN",
      since: noon + 1,
      strikes: [],
      probedAt: noon + 1,
    });
    expect(markUp(markDown(struckHealth, noon), noon + 2)).toEqual({
      status: "UP",
      since: noon + 2,
      strikes: [],
      paused: false,
      probedAt: noon,
      redriveAt: noon + 2,
    });
  });

  it("keeps a pause through all of it", () => {
    expect(markUp(markDown({ ...healthOf(noon), paused: true }, noon), noon)).toMatchObject({ paused: true });
  });
});
