import { describe, expect, it } from "vitest";
import { ComplianceUnavailableError } from "../../../bridge/governance/compliance-engine.ts";
import { replayPacket } from "../../../bridge/jobs/replay.ts";
import { runMaintenance } from "../../../bridge/maintenance/run-maintenance.ts";
import { retry } from "../../../bridge/model/outcome.ts";
import { release } from "../../../bridge/operations/release.ts";
import { aCore, type Core, type FakeTarget, fakeTarget } from "../../support/core.ts";
import { withWrite } from "../../support/lost-answers.ts";

const by = { actor: "jo", reason: "it may go now" };

const sheets = {
  change: "source_event: record.changed\nkey: data.k\ntargets: { journal: { connector: Fake, map: { v: v } } }",
  roster:
    "source_event: roster\ntargets: { journal: { connector: Fake, for_each: data.people, key: k, map: { v: v } } }",
};

interface Given {
  readonly id: string;
  readonly k?: string;
  readonly v: number;
  readonly source?: string;
  readonly sequence?: number;
}

function change({ id, k = "r", v, ...more }: Given) {
  return { id, source: "hms.a", ...more, type: "record.changed", data: { k, v } };
}

function sent(target: FakeTarget): unknown[] {
  return target.calls.map(({ fields }) => fields.v);
}

async function statuses(core: Core): Promise<unknown[]> {
  return (await core.packets()).map(({ packet, progress }) => [packet.fields.v, progress.status]);
}

describe("a strict lane", () => {
  it("keeps the places of a large roster, so that a later event about one of its records follows it", async () => {
    const target = fakeTarget({ order: "strict" });
    await using core = await aCore({ targets: [target], sheets });
    const people = Array.from({ length: 600 }, (_, i) => ({ k: `r${i}`, v: i }));

    await core.emit({ id: "1", type: "roster", data: { people } }, change({ id: "2", k: "r550", v: -1 }));
    await core.rest();

    const lane = target.calls.filter(({ entity }) => entity === "r550").map(({ fields }) => fields.v);
    expect(lane).toEqual([550, -1]);
    expect(target.calls).toHaveLength(601);
  });

  it("keeps the places of an event that waits for governance, and holds up no other connector", async () => {
    const target = fakeTarget({ order: "strict" });
    const other = fakeTarget({ name: "Other", order: "strict" });
    const both = {
      ...sheets,
      other: "source_event: record.other\nkey: data.k\ntargets: { other: { connector: Other, map: { v: v } } }",
    };
    await using core = await aCore({ targets: [target, other], sheets: both });
    let isDown = true;
    const governed = {
      ...core.engine,
      compliance: {
        async ask() {
          if (isDown) throw new ComplianceUnavailableError("it is down");
          return { action: "allow" };
        },
      },
    } as never;

    await core.emit(change({ id: "1", v: 1 }));
    await core.map(governed);
    await core.emit(change({ id: "2", v: 2 }), { ...change({ id: "3", v: 3 }), type: "record.other" });
    await core.map();
    for (const each of [target, other]) while ((await core.deliverBatch(each)).length > 0);

    expect([sent(target), sent(other)]).toEqual([[], [3]]);
    const waiting = (await core.packets()).find(({ packet }) => packet.fields.v === 2);
    expect(waiting?.progress).toMatchObject({
      status: "QUEUED",
      place: "behind",
      reason: expect.stringMatching(/^behind evt-\w+, which is not fully expanded yet$/),
    });

    isDown = false;
    await core.clock.advance(200_000);
    await runMaintenance(governed);
    await core.rest();
    expect(sent(target)).toEqual([1, 2]);
  });

  it("follows the order of acceptance across sources, whatever their sequences", async () => {
    const target = fakeTarget({ order: "strict", lane: "connector" });
    await using core = await aCore({ targets: [target], sheets });
    target.awake = false;
    target.behave = () => retry("the connection was refused", { mayHaveLanded: false });

    await core.emit(
      change({ id: "1", k: "a", v: 1 }),
      change({ id: "2", k: "b", v: 2, source: "hms.b", sequence: 1_000_000 }),
      change({ id: "3", k: "c", v: 3, source: "hms.c", sequence: 5 }),
    );
    await core.run();
    await core.clock.advance(300_000);
    target.awake = true;
    target.behave = (packet) => target.take(packet);
    target.calls.length = 0;
    await core.rest();

    expect(sent(target)).toEqual([1, 2, 3]);
  });

  it("gives the places of one source to its packets by sequence", async () => {
    const target = fakeTarget({ order: "strict" });
    await using core = await aCore({ targets: [target], sheets });

    await core.emit(
      change({ id: "1", v: 3, sequence: 3 }),
      change({ id: "2", v: 10, source: "hms.b" }),
      change({ id: "3", v: 1, sequence: 1 }),
      change({ id: "4", v: 2, sequence: 2 }),
    );
    await core.map();
    await core.rest();

    expect(sent(target)).toEqual([1, 2, 3, 10]);
    expect((await statuses(core)).every((status) => (status as string[])[1] === "SENT")).toBe(true);
  });

  it("waits until every earlier event of the inbox is recorded", async () => {
    const target = fakeTarget({ order: "strict" });
    await using core = await aCore({ targets: [target], sheets });
    await core.emit(change({ id: "1", v: 1 }));
    const [first] = await core.engine.queue.receive("inbox", { max: 1, visibilityMs: 180_000, waitMs: 0 });
    await core.emit(change({ id: "2", v: 2 }));
    await core.map();
    await core.deliverBatch(target);
    expect(sent(target)).toEqual([]);

    await core.engine.queue.delay("inbox", [{ receipt: first?.receipt as string, ms: 0 }]);
    await core.rest();
    expect(sent(target)).toEqual([1, 2]);
  });

  it("waits until 2 s after a packet was recorded if the inbox cannot be searched, whatever clock stamped its event", async () => {
    const target = fakeTarget({ order: "strict" });
    await using core = await aCore({ targets: [target], sheets });
    const { queue } = core.engine;
    Object.assign(queue, { processedUpTo: async () => undefined });
    // The queue stamps with a clock that is a minute ahead of that of the functions.
    core.clock.set(core.clock.now() + 60_000);
    await core.emit(change({ id: "1", v: 1 }));
    core.clock.set(core.clock.now() - 60_000);
    await core.map();

    await core.deliverBatch(target);
    await core.clock.advance(1_999);
    await core.deliverBatch(target);
    expect(sent(target)).toEqual([]);
    expect((await queue.depth("lane:Fake@v1")).inFlight).toBe(1);

    await core.clock.advance(1);
    await core.deliverBatch(target);
    expect(sent(target)).toEqual([1]);
  });

  it("loses no packet while an earlier event stays in the inbox for long", async () => {
    const target = fakeTarget({ order: "strict" });
    await using core = await aCore({ targets: [target], sheets });
    await core.emit(change({ id: "1", v: 1 }));
    const [first] = await core.engine.queue.receive("inbox", { max: 1, visibilityMs: 180_000, waitMs: 0 });
    await core.emit(change({ id: "2", v: 2 }));
    await core.map();
    for (let second = 0; second < 120; second++) {
      await core.deliverBatch(target);
      await core.clock.advance(1_000);
    }
    expect((await core.packets())[0]?.progress).toMatchObject({
      place: "behind",
      reason: "behind an earlier event, which is still in the inbox",
    });

    await core.engine.queue.delay("inbox", [{ receipt: first?.receipt as string, ms: 0 }]);
    await core.rest();
    expect(sent(target)).toEqual([1, 2]);
  });
});

describe("strict lane after an attempt without an answer", () => {
  it("sends the packet before an older one that arrives later, which is late", async () => {
    const target = fakeTarget({ order: "strict" });
    await using core = await aCore({ targets: [target], sheets });
    target.behave = (packet, call) =>
      call === 1 && target.take(packet) ? retry("the connection was reset") : target.take(packet);
    await core.emit(change({ id: "2", v: 2, sequence: 2 }));
    await core.run();

    await core.emit(change({ id: "1", v: 1, sequence: 1 }));
    await core.rest();

    expect(sent(target)).toEqual([2, 2]);
    expect(await statuses(core)).toEqual([
      [2, "SENT"],
      [1, "HELD"],
    ]);
  });

  it("sends the packet before an older one even if its process ended", async () => {
    const target = fakeTarget({ order: "strict" });
    await using core = await aCore({ targets: [target], sheets });
    await core.emit(change({ id: "2", v: 2, sequence: 2 }));
    await core.map();
    // The claim is written, and nothing after it.
    let writes = 0;
    const store = withWrite(core.engine.store, async (puts, entries) => {
      if (++writes > 1) throw new Error("the process ended");
      return core.engine.store.write(puts, entries);
    });
    await core.deliverBatch(target, { ...core.engine, store });
    expect(sent(target)).toEqual([2]);

    await core.emit(change({ id: "1", v: 1, sequence: 1 }));
    await core.rest();

    expect(sent(target)).toEqual([2, 2]);
    expect(await statuses(core)).toEqual([
      [2, "SENT"],
      [1, "HELD"],
    ]);
  });

  it("lets an older packet overtake one that certainly did not reach the target", async () => {
    const target = fakeTarget({ order: "strict" });
    await using core = await aCore({ targets: [target], sheets });
    target.behave = (packet, call) =>
      call === 1 ? retry("answered 429", { mayHaveLanded: false }) : target.take(packet);
    await core.emit(change({ id: "2", v: 2, sequence: 2 }));
    await core.run();

    await core.emit(change({ id: "1", v: 1, sequence: 1 }));
    await core.rest();

    expect(sent(target)).toEqual([2, 1, 2]);
  });
});

describe("a late packet of a strict lane", () => {
  async function lateCore(late?: "send") {
    const target = fakeTarget({ order: "strict" });
    const connector = late ? { ...target.connector, late } : target.connector;
    const core = await aCore({ targets: [Object.assign(target, { connector })], sheets });
    await core.emit(change({ id: "1", v: 2, sequence: 2 }));
    await core.run();
    await core.emit(change({ id: "2", v: 1, sequence: 1 }));
    await core.run();
    return { core, target };
  }

  it("waits for an operator and does not block the lane", async () => {
    const { core, target } = await lateCore();
    await using _ = core;

    expect(await statuses(core)).toEqual([
      [2, "SENT"],
      [1, "HELD"],
    ]);
    const late = (await core.packets())[1];
    expect(late?.progress.reason).toMatch(/^a newer change of this lane was sent before this one arrived; release it/);
    expect(core.lines).toContainEqual(expect.objectContaining({ step: "held", why: "late", packet: late?.packet.id }));

    await core.emit(change({ id: "3", v: 3, sequence: 3 }));
    await core.run();
    expect(sent(target)).toEqual([2, 3]);
  });

  it("reaches the target when an operator releases it", async () => {
    const { core, target } = await lateCore();
    await using _ = core;
    const late = (await core.packets())[1];

    const released = await release(core.engine, { id: late?.packet.id as string }, by);
    await core.run();

    expect(released.kind).toBe("done");
    expect(sent(target)).toEqual([2, 1]);
    expect((await core.packets()).map(({ progress }) => progress.status)).toEqual(["SENT", "SUPERSEDED", "SENT"]);
  });

  it("reaches the target with an alert if the connector says so", async () => {
    const { core, target } = await lateCore("send");
    await using _ = core;

    expect(sent(target)).toEqual([2, 1]);
    expect(core.lines.filter(({ step }) => step === "sent-late")).toHaveLength(1);
  });

  it("differs from a replay, which is sent at once", async () => {
    const target = fakeTarget({ order: "strict" });
    await using core = await aCore({ targets: [target], sheets });
    await core.emit(change({ id: "1", v: 1 }));
    await core.map();
    await core.emit(change({ id: "2", v: 2, source: "hms.b" }));
    await core.run();
    expect(sent(target)).toEqual([1, 2]);

    const [first] = await core.packets();
    await replayPacket(core.engine, { id: first?.packet.id as string }, by);
    await core.run();
    expect(sent(target)).toEqual([1, 2, 1]);
  });
});
