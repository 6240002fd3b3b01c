import { describe, expect, it } from "vitest";
import { startJob } from "../../../bridge/jobs/job-runner.ts";
import { runMaintenance } from "../../../bridge/maintenance/run-maintenance.ts";
import { refused, retry } from "../../../bridge/model/outcome.ts";
import { sentenceOf } from "../../../bridge/observability/describe.ts";
import type { Actor } from "../../../bridge/operations/operator.ts";
import { release } from "../../../bridge/operations/release.ts";
import { aCore, type Core, type FakeTarget, fakeTarget } from "../../support/core.ts";

const jo: Actor = { actor: "jo", reason: "one sheet was wrong" };

const sheets = {
  change: "source_event: record.changed\ntargets: { fake: { connector: Fake, map: { a: a, b: b } } }",
  removal: "source_event: record.removed\ntargets: { fake: { connector: Fake, action: delete } }",
  whole: "source_event: record.whole\ntargets: { fake: { connector: Fake, map: { a: a, b: b }, send: full } }",
};

function change(id: string, data: object, type = "record.changed") {
  return { id, type, subject: "r", data: data as never };
}

/** Returns the fields that the target holds, without those that are cleared. */
function heldBy(target: FakeTarget): object {
  const fields = target.state.get("r") ?? {};
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null));
}

async function statuses(core: Core): Promise<(string | undefined)[][]> {
  return (await core.packets()).map(({ progress }) => [progress.status, progress.reason]);
}

describe("an overtaken deletion", () => {
  it("clears what is older than itself once the target takes it", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target], sheets });
    const until = core.clock.now() + 60_000;
    target.behave = (packet) =>
      packet.action === "delete" && core.clock.now() < until
        ? retry("answered 503", { status: 503 })
        : target.take(packet);

    await core.emit(change("1", { a: 1, b: 1 }));
    await core.run();
    await core.emit(change("2", {}, "record.removed"));
    await core.run();
    await core.rest(200_000);
    await core.emit(change("3", { a: 3 }));
    await core.rest();

    expect(heldBy(target)).toEqual({ a: 3 });
    expect((await statuses(core)).map(([status]) => status)).toEqual(["SENT", "SENT", "SENT"]);
  });

  it("clears it as well if the newer change reached the target first", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target], sheets });
    const at = (second: number) => ({ time: `2026-03-01T11:00:0${second}Z` });

    await core.emit({ ...change("1", { a: 1, b: 1 }), ...at(1) });
    await core.emit({ ...change("3", { a: 3 }), ...at(3) });
    await core.emit({ ...change("2", {}, "record.removed"), ...at(2) });
    await core.emit({ ...change("0", { a: 0, b: 0 }), ...at(0) });
    await core.run();

    expect(heldBy(target)).toEqual({ a: 3 });
    expect(target.calls.map(({ action, fields }) => [action, fields])).toEqual([
      ["upsert", { a: 1, b: 1 }],
      ["upsert", { a: 3 }],
      ["upsert", { b: null }],
    ]);
    const [entry] = (await core.entries()).filter(({ facts }) => facts.cleared !== undefined);
    expect(entry?.facts.cleared).toEqual(["b"]);
    expect(sentenceOf(entry as never)).toMatch(/; cleared only b, because the target holds something newer$/);
  });

  it("waits for an operator if the target refuses to clear the fields", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target], sheets });
    target.behave = (packet) =>
      packet.fields.b === null ? refused("b must have a value", { status: 422 }) : target.take(packet);
    const at = (second: number) => ({ time: `2026-03-01T11:00:0${second}Z` });

    await core.emit({ ...change("1", { a: 1, b: 1 }), ...at(1) }, { ...change("3", { a: 3 }), ...at(3) });
    await core.emit({ ...change("2", {}, "record.removed"), ...at(2) });
    await core.run();

    expect((await statuses(core)).at(-1)).toEqual(["HELD", "b must have a value"]);
  });
});

describe("a partly overtaken full packet", () => {
  const at = (second: number) => ({ time: `2026-03-01T11:00:0${second}Z` });

  it("reaches the target with the newer values, and loses no field that only it has", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target], sheets });

    await core.emit({ ...change("2", { b: 2 }), ...at(2) });
    await core.emit({ ...change("1", { a: 1, b: 1 }, "record.whole"), ...at(1) });
    await core.run();

    expect(target.state.get("r")).toEqual({ a: 1, b: 2 });
    expect(target.calls.at(-1)?.fields).toEqual({ a: 1, b: 2 });
    expect((await statuses(core)).map(([status]) => status)).toEqual(["SENT", "SENT"]);

    await core.emit({ ...change("0", { b: 0 }), ...at(0) });
    await core.run();
    expect(target.state.get("r")).toEqual({ a: 1, b: 2 });
  });

  it("waits for an operator if the newer values were erased", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target], sheets, times: { retentionMs: 1_000 } });

    await core.emit({ ...change("2", { b: 2 }), ...at(2) });
    await core.rest(3_600_000 * 2);
    await core.clock.advance(7_200_000);
    await core.rest();
    await runMaintenance(core.engine);
    await core.emit({ ...change("1", { a: 1, b: 1 }, "record.whole"), ...at(1) });
    await core.run();

    expect((await statuses(core)).at(-1)).toEqual([
      "HELD",
      expect.stringMatching(
        /^the target holds a newer b, .* were erased; discard this packet, and emit an event with all fields of the record$/,
      ),
    ]);
    expect(target.calls).toHaveLength(1);
  });
});

describe("a tie of two sheets", () => {
  it("holds the second packet, whose reason names the first", async () => {
    const target = fakeTarget();
    const twice = {
      one: "source_event: record.changed\nwhen: data.a != 9\ntargets: { fake: { connector: Fake, map: { a: a } } }",
      two: "source_event: record.changed\nwhen: data.a != 9\ntargets: { fake: { connector: Fake, map: { b: a, a: c } } }",
    };
    await using core = await aCore({ targets: [target], sheets: twice });

    await core.emit(change("1", { a: 1, b: 2, c: 3 }));
    await core.run();

    const [first, second] = await core.packets();
    expect(first?.progress.status).toBe("SENT");
    expect(second?.progress).toMatchObject({
      status: "HELD",
      reason: `${first?.packet.id} of the same event sent another value of a; let one sheet write a, then release, edit or discard this packet`,
    });
  });

  const both = (second: string, map = "{ a: a, b: b }") => ({
    one: `source_event: record.changed\nwhen: data.a != 9\ntargets: { fake: { connector: Fake, map: ${map} } }`,
    two: `source_event: record.changed\nwhen: data.a != 9\ntargets: { fake: ${second} }`,
  });

  it("counts equal values as UNCHANGED, and sends both if a replay is forced", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target], sheets: both("{ connector: Fake, map: { a: a } }") });
    await core.emit(change("1", { a: 1, b: 2 }));
    await core.run();
    expect((await statuses(core)).map(([status]) => status).sort()).toEqual(["SENT", "UNCHANGED"]);

    const request = { from: 0, to: Number.MAX_SAFE_INTEGER, force: true };
    await startJob(core.engine, { kind: "replay", request, actor: "jo" });
    await core.jobs();
    await core.rest();

    expect((await statuses(core)).filter(([status]) => status === "HELD")).toEqual([]);
  });

  it("holds the second of a change and a deletion, in both orders, until an operator releases it", async () => {
    for (const swapped of [false, true]) {
      const target = fakeTarget();
      const { one, two } = both("{ connector: Fake, action: delete }");
      await using core = await aCore({ targets: [target], sheets: swapped ? { one: two, two: one } : { one, two } });

      await core.emit(change("1", { a: 1, b: 2 }));
      await core.run();

      const packets = await core.packets();
      const held = packets.find(({ progress }) => progress.status === "HELD");
      expect(packets.map(({ progress }) => progress.status).sort()).toEqual(["HELD", "SENT"]);
      expect(held?.progress.reason).toMatch(
        held?.packet.action === "delete"
          ? /^pkt-\w+ of the same event sent a, b, which this packet would delete; /
          : /^another packet of the same event deleted the record; /,
      );

      await release(core.engine, { id: held?.packet.id ?? "" }, jo);
      await core.rest();
      expect(target.calls.map(({ action }) => action)).toEqual(
        held?.packet.action === "delete" ? ["upsert", "delete"] : ["delete", "upsert"],
      );
    }
  });

  it("ends if an operator releases the second packet", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target], sheets: both("{ connector: Fake, map: { c: a } }") });
    await core.emit(change("1", { a: 1, b: 2, c: 3 }));
    await core.run();
    const held = (await core.packets()).find(({ progress }) => progress.status === "HELD");

    await release(core.engine, { id: held?.packet.id ?? "" }, jo);
    await core.rest();

    expect(target.state.get("r")).toEqual(held?.packet.sheet === "two" ? { a: 3, b: 2 } : { a: 1, b: 2 });
    expect((await statuses(core)).some(([status]) => status === "HELD")).toBe(false);
  });
});
