import { describe, expect, it } from "vitest";
import { aCore, fakeTarget } from "../../support/core.ts";

const byCategory = `
source_event: rate.changed
when: data.cat = "T"
targets:
  fake: { connector: Fake, map: { rate: rate, city: city } }
`;

function rateEvent(id: string, data: { cat: string; rate: number; old_rate?: number; city?: string }) {
  return { id, type: "rate.changed", subject: "r", data };
}

describe("an unchanged field", () => {
  it("reaches a target that holds another value, because an event between did not match", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target], sheets: { rate: byCategory } });

    await core.emit(rateEvent("1", { cat: "T", rate: 1 }));
    await core.emit(rateEvent("2", { cat: "X", rate: 2, old_rate: 1 }));
    await core.emit(rateEvent("3", { cat: "T", rate: 2, old_rate: 2 }));
    await core.run();

    expect(target.state.get("r")).toEqual({ rate: 2 });
  });

  it("reaches a target for a record that the target is not known to hold", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target], sheets: { rate: byCategory } });

    await core.emit(rateEvent("1", { cat: "X", rate: 2 }), rateEvent("2", { cat: "T", rate: 2, old_rate: 2 }));
    await core.run();

    expect(target.state.get("r")).toEqual({ rate: 2 });
  });

  it("does not reach a target that is known to hold it, and its packet alone ends UNCHANGED", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target], sheets: { rate: byCategory } });

    await core.emit(rateEvent("1", { cat: "T", rate: 2 }));
    await core.emit(rateEvent("2", { cat: "T", rate: 2, old_rate: 2, city: "Denver" }));
    await core.emit(rateEvent("3", { cat: "T", rate: 2, old_rate: 2 }));
    await core.run();

    expect(target.calls.map(({ fields }) => fields)).toEqual([{ rate: 2 }, { city: "Denver" }]);
    expect((await core.packets()).map(({ progress }) => progress.status)).toEqual(["SENT", "SENT", "UNCHANGED"]);
  });

  it("always reaches a target with strict order", async () => {
    const target = fakeTarget({ order: "strict" });
    await using core = await aCore({ targets: [target], sheets: { rate: byCategory } });

    await core.emit(rateEvent("1", { cat: "T", rate: 2 }), rateEvent("2", { cat: "T", rate: 2, old_rate: 2 }));
    await core.run();

    expect(target.calls.map(({ fields }) => fields)).toEqual([{ rate: 2 }, { rate: 2 }]);
  });
});
