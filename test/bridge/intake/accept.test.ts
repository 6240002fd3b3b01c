import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Engine } from "../../../bridge/engine.ts";
import { accept, resumeUnsent } from "../../../bridge/intake/accept.ts";
import { eventKey } from "../../../bridge/model/event.ts";
import { aCore, type Core, fakeTarget, invariantViolations, onePerDiem } from "../../support/core.ts";
import { crashAfter } from "../../support/crash-after.ts";
import { withWrite } from "../../support/lost-answers.ts";

async function placeOf({ engine }: Core, key = ""): Promise<number | undefined> {
  return (await engine.store.read("event", [key]))[0]?.value.accepted;
}

const roster = `
source_event: roster
targets:
  fake: { connector: Fake, for_each: data.people, key: badge, map: { desk: desk } }
`;

describe("accept", () => {
  it("records each message as expanded, unmatched, quarantined or duplicate", { tags: "row-8" }, async () => {
    await using core = await aCore();

    await core.emit(
      { id: "1", data: { new_rate: 1 } },
      { id: "1", data: { new_rate: 1 } },
      { id: "2", type: "nobody.cares", data: {} },
      "not an event",
      "not an event",
    );
    await core.map();

    expect((await core.engine.store.tally()).events).toEqual({
      EXPANDED: 1,
      EXPANDING: 0,
      UNMATCHED: 1,
      QUARANTINED: 1,
      NOTED: 0,
      duplicates: 2,
    });
    expect(await invariantViolations(core, 5)).toEqual([]);
  });

  it("accepts the largest events and packets, however many arrive together", { tags: "row-25" }, async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target], sheets: { roster, per_diem: onePerDiem } });
    const note = "é".repeat(100_000);
    await core.emit(...Array.from({ length: 12 }, (_, i) => ({ id: `${i}`, subject: `${i}`, data: { note } })));
    await core.emit({
      id: "many",
      type: "roster",
      data: { people: Array.from({ length: 50 }, (_, badge) => ({ badge, desk: "x".repeat(20_000) })) },
    });

    await core.run();

    expect((await core.engine.store.tally()).packets).toMatchObject({ SENT: 62, QUEUED: 0, HELD: 0 });
    expect(await invariantViolations(core, 13)).toEqual([]);
  });

  it("writes a packet to the table and the ledger before any queue has it", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    const order: string[] = [];
    const engine = recordingCalls(core, order);

    await core.emit({ id: "1", data: { new_rate: 1 } });
    await core.map(engine);

    expect(order.filter((call) => call.includes("packet") || call.startsWith("send"))).toEqual([
      "write event packet",
      `send lane:${target.id}`,
    ]);
  });

  it("stores a sheet once for all events of a batch", async () => {
    await using core = await aCore();
    const order: string[] = [];

    await core.emit(...Array.from({ length: 10 }, (_, i) => ({ id: `${i}`, subject: `${i}`, data: { new_rate: i } })));
    await core.map(recordingCalls(core, order));

    expect(order.filter((call) => call === "write sheet")).toHaveLength(1);
  });

  it("changes nothing if it runs twice for one message", async () => {
    await using core = await aCore();
    const message = {
      id: "m1",
      receipt: "r1",
      receiveCount: 1,
      sentAt: core.clock.now(),
      body: JSON.stringify({ id: "1", source: "s", type: "policy.per_diem.updated", data: { new_rate: 1 } }),
    };

    await accept(core.engine, [message]);
    const before = [await core.packets(), await core.entries()];
    await accept(core.engine, [message]);

    expect([await core.packets(), await core.entries()]).toEqual(before);
    expect(await core.depth("lane:Fake@v1")).toBe(1);
  });

  it("makes one packet of an event that arrives ten times at once", { tags: "row-8" }, async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });

    await core.emit(...Array.from({ length: 10 }, () => ({ id: "1", data: { new_rate: 1 } })));
    await core.run();

    expect(target.calls).toHaveLength(1);
    expect((await core.engine.store.tally()).events).toMatchObject({ EXPANDED: 1, duplicates: 9 });
    expect(
      (await core.steps(eventKey({ source: "hms.policy", id: "1" }))).filter((step) => step === "DUPLICATE"),
    ).toHaveLength(9);
  });

  it("gives an event the place of its first copy, even if another event of its batch is recorded already", async () => {
    await using core = await aCore();
    await core.emit({ id: "known", data: { new_rate: 1 } });
    await core.map();
    await core.emit({ id: "known", data: { new_rate: 1 } }, ...Array(3).fill({ id: "1", data: { new_rate: 2 } }));
    const messages = await core.engine.queue.receive("inbox", { max: 10, visibilityMs: 1_000, waitMs: 0 });

    await accept(core.engine, messages);

    expect(await placeOf(core, messages[1]?.group)).toBe(messages[1]?.stamp);
    expect((await core.engine.store.tally()).events).toMatchObject({ EXPANDED: 2, duplicates: 3 });
  });

  it("records no later copy of an event in place of a first one that failed", async () => {
    await using core = await aCore();
    await core.emit(...Array(2).fill({ id: "1", data: { new_rate: 2 } }));
    const messages = await core.engine.queue.receive("inbox", { max: 10, visibilityMs: 1_000, waitMs: 0 });
    const store = withWrite(core.engine.store, async (puts, entries) => {
      const isFirst = puts.some(({ kind, value }) => kind === "event" && value.message === messages[0]?.id);
      if (isFirst) throw new Error("throttled");
      return core.engine.store.write(puts, entries);
    });

    const dispositions = await accept({ ...core.engine, store }, messages);

    expect(dispositions.map(({ kind }) => kind)).toEqual(["delay", "delay"]);
    await accept(core.engine, messages);
    expect(await placeOf(core, messages[0]?.group)).toBe(messages[0]?.stamp);
    expect((await core.engine.store.tally()).events).toMatchObject({ EXPANDED: 1, duplicates: 1 });
  });

  it("counts a duplicate once, even if its message is redelivered", { tags: "row-8" }, async () => {
    await using core = await aCore();
    const body = JSON.stringify({ id: "1", source: "s", type: "policy.per_diem.updated", data: { new_rate: 1 } });
    const messages = ["m1", "m2", "m3"].map((id) => ({
      id,
      receipt: id,
      receiveCount: 1,
      sentAt: core.clock.now(),
      body,
    }));

    await accept(core.engine, messages);
    await accept(core.engine, messages);

    expect((await core.engine.store.tally()).events).toMatchObject({ EXPANDED: 1, duplicates: 2 });
  });

  it("identifies an event by its source and id together", async () => {
    await using core = await aCore();

    await core.emit({ id: "1", source: "a", data: { new_rate: 1 } }, { id: "1", source: "b", data: { new_rate: 2 } });
    await core.map();

    expect((await core.engine.store.tally()).events).toMatchObject({ EXPANDED: 2, duplicates: 0 });
  });

  it("keeps packets in the order of their messages, not of the writes", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });

    await core.emit(...Array.from({ length: 10 }, (_, i) => ({ id: `${i}`, subject: "r", data: { new_rate: i } })));
    await core.run();

    expect(target.calls.map(({ fields }) => fields.dailyRate)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it("holds a packet that governance blocks, and names the field and the rule", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });

    await core.emit({ id: "1", data: { new_rate: 1, note: "call 123-45-6789" } });
    await core.rest();

    expect(target.calls).toHaveLength(0);
    const { packet, progress } = await core.only();
    expect(progress).toMatchObject({ status: "HELD", reason: "governance blocks note (otherwise)" });
    expect(await core.steps(packet.id)).toEqual(["HELD"]);
    expect((await core.engine.store.chain(packet.id))[0]?.facts.governance).toEqual([
      { field: "note", action: "block", rule: "otherwise", kinds: ["ssn"] },
    ]);
  });

  it("sends a masked field only in its masked form", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target], governance: "otherwise: mask" });

    await core.emit({ id: "1", data: { note: "call 123-45-6789" } });
    await core.rest();

    expect(target.calls[0]?.fields).toEqual({ note: "call ***-**-6789" });
    expect(JSON.stringify(await core.packets())).not.toContain("123-45");
  });

  it("holds the repeated elements of a roster that names one person several times", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target], sheets: { roster } });

    await core.emit({
      id: "1",
      type: "roster",
      data: {
        people: [
          { badge: "a", desk: 1 },
          { badge: "b", desk: 2 },
          { badge: "a", desk: 3 },
          { badge: "a", desk: 4 },
        ],
      },
    });
    await core.rest();

    const held = (await core.packets()).filter(({ progress }) => progress.status === "HELD");
    expect(held).toHaveLength(2);
    expect(held[0]?.progress.reason).toMatch(/has the same key twice, the second time in element 2;/);
    expect(await invariantViolations(core, 1)).toEqual([]);
  });

  it("sends the good elements of a roster and holds the bad ones", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target], sheets: { roster } });

    await core.emit({
      id: "1",
      type: "roster",
      data: { people: [{ badge: "a", desk: 1 }, "nobody", { desk: 2 }, null] },
    });
    await core.rest();

    expect(target.state).toEqual(new Map([["a", { desk: 1 }]]));
    expect((await core.packets()).map(({ progress }) => progress.status).sort()).toEqual([
      "HELD",
      "HELD",
      "HELD",
      "SENT",
    ]);
  });

  it("records a roster in several writes and delivers all of it", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target], sheets: { roster } });
    const people = Array.from({ length: 333 }, (_, i) => ({ badge: `b${i}`, desk: i }));

    await core.emit({ id: "1", type: "roster", data: { people } });
    await core.rest();

    expect(target.state.size).toBe(333);
    expect(await core.steps(eventKey({ source: "hms.policy", id: "1" }))).toEqual(["EXPANDING", "EXPANDED"]);
    expect(await invariantViolations(core, 1)).toEqual([]);
  });

  it("holds the packet of a sheet whose condition fails, sends the others, and logs no value", async () => {
    const target = fakeTarget();
    const sheet = (when: string) =>
      `source_event: policy.per_diem.updated\n${when}targets: { fake: { connector: Fake, map: { city: city } } }`;
    const sheets = { guarded: sheet("when: $number(data.city) > 1\n"), open: sheet("") };
    await using core = await aCore({ targets: [target], sheets });

    await core.emit({ id: "1", data: { city: "Confidentialville" } });
    await core.rest();

    expect((await core.engine.store.tally()).events).toMatchObject({ QUARANTINED: 0, EXPANDED: 1 });
    const packets = await core.packets();
    expect(packets.map(({ packet, progress }) => [packet.sheet, progress.status]).sort()).toEqual([
      ["guarded", "HELD"],
      ["open", "SENT"],
    ]);
    expect(JSON.stringify([await core.entries(), core.lines])).not.toContain("Confidentialville");
  });

  it("clamps a time more than 5 min ahead, and records that it did", { tags: "row-24" }, async () => {
    await using core = await aCore();
    const ahead = new Date(core.clock.now() + 3_600_000).toISOString();

    await core.emit({ id: "1", time: ahead, data: { new_rate: 1 } });
    await core.map();

    const { packet } = await core.only();
    expect(packet.version.time).toBe(core.clock.now() + 300_000);
    expect((await core.engine.store.chain(packet.event))[0]?.facts.clamped).toBeDefined();
  });

  describe("crash recovery", () => {
    it("enqueues recorded packets when the message is redelivered", async () => {
      const target = fakeTarget();
      await using core = await aCore({ targets: [target] });
      await core.emit({ id: "1", data: { new_rate: 1 } });

      await core.map(withoutSends(core.engine));
      expect(await core.depth(`lane:${target.id}`)).toBe(0);
      expect((await core.only()).progress.status).toBe("QUEUED");
      await core.clock.advance(2_000);
      await core.run();

      expect((await core.only()).progress.status).toBe("SENT");
      const unsent = await core.engine.store.unsentEvents({ to: Number.MAX_SAFE_INTEGER, limit: 1 });
      expect(unsent.items).toEqual([]);
      expect(await invariantViolations(core, 1)).toEqual([]);
    });

    it("enqueues recorded packets by the watchdog if the message is lost", async () => {
      const target = fakeTarget();
      await using core = await aCore({ targets: [target] });
      await core.emit({ id: "1", data: { new_rate: 1 } });
      await core.map(withoutSends(core.engine));
      await core.clock.advance(2_000);
      const [message] = await core.engine.queue.receive("inbox", { max: 1, visibilityMs: 1_000, waitMs: 0 });
      await core.engine.queue.remove("inbox", [message?.receipt as string]);

      await resumeUnsent(core.engine);
      expect(await core.depth(`lane:${target.id}`)).toBe(0);
      await core.clock.advance(120_000);
      await resumeUnsent(core.engine);
      await core.run();

      expect((await core.only()).progress.status).toBe("SENT");
    });

    it("delivers each roster element exactly once after a crash at any write", async () => {
      for (let survived = 0; survived < 14; survived++) {
        const target = fakeTarget();
        await using core = await aCore({ targets: [target], sheets: { roster } });
        const people = Array.from({ length: 150 }, (_, i) => ({ badge: `b${i}`, desk: i }));
        await core.emit({ id: "1", type: "roster", data: { people } });

        await core.map(crashAfter(core.engine, survived));
        await core.clock.advance(200_000);
        await core.rest();

        expect(target.state.size, `after ${survived} writes`).toBe(150);
        expect([...target.effects.values()].every((times) => times === 1)).toBe(true);
        expect(await invariantViolations(core, 1)).toEqual([]);
      }
    });

    it("keeps using the sheets pinned by the first run even if they have changed since", {
      tags: "row-21",
    }, async () => {
      const target = fakeTarget();
      await using core = await aCore({ targets: [target], sheets: { roster } });
      const people = Array.from({ length: 100 }, (_, i) => ({ badge: `b${i}`, desk: i }));
      await core.emit({ id: "1", type: "roster", data: { people } });
      await core.map(crashAfter(core.engine, 3));

      await core.use({ roster: roster.replace("{ desk: desk }", "{ desk: renamed }") });
      await core.clock.advance(200_000);
      await core.rest();

      expect([...target.state.values()].every((fields) => "desk" in fields && !("renamed" in fields))).toBe(true);
      expect(target.state.size).toBe(100);
    });
  });

  it("writes no planted personal data to a log line or the ledger", async () => {
    const planted = ["123-45-6789", "alice@agency.example", "4111 1111 1111 1111", "+1 202 555 0143"];
    const target = fakeTarget();
    const governance = "rules: [{ id: record-key, field: entity, action: allow }]";
    await using core = await aCore({ targets: [target], governance, times: { backoffMs: [1_000] } });
    target.behave = (packet, call) => {
      if (call % 3 === 0) throw new Error(`bad ${JSON.stringify(packet.fields)}`);
      return target.take(packet);
    };

    for (const [i, value] of planted.entries()) {
      const data = { new_rate: i, note: value, city: value, nested: { [value]: value } };
      await core.emit({ id: `note-${i}`, data: { ...data, new_rate: i } });
      await core.emit({ id: `subject-${i}`, subject: value, data: { new_rate: i } });
      await core.emit({ id: `bad-${i}`, data: { [value]: { __proto__: null, x: "\ud800" } } as never });
      await core.emit(`{"id":"p-${i}","source":"s","type":"t","data":{"${value}":{"__proto__":1}}}`);
      await core.emit(`{"id":"p-${i}","source":"s","type":"t","time":"${value}","data":{}}`);
      await core.emit(
        `{"id":"${value}","source":"s","type":"policy.per_diem.updated","sequence":"${value}","data":{}}`,
      );
      await core.emit(`not json ${value}`);
    }
    await core.rest(600_000);

    const seen = JSON.stringify([core.lines, await core.entries()]);
    expect(planted.filter((value) => seen.includes(value))).toEqual([]);
    expect(target.calls.length).toBeGreaterThan(0);
  });

  it("accounts for every event and packet after random events, duplicates, crashes and outages", {
    tags: "row-8",
  }, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.oneof(
            {
              weight: 6,
              arbitrary: fc.record({
                do: fc.constant("emit" as const),
                id: fc.nat(12),
                lane: fc.nat(3),
                rate: fc.nat(5),
              }),
            },
            { weight: 1, arbitrary: fc.record({ do: fc.constant("garble" as const), id: fc.nat(3) }) },
            { weight: 1, arbitrary: fc.record({ do: fc.constant("stray" as const), id: fc.nat(3) }) },
            { weight: 2, arbitrary: fc.record({ do: fc.constant("crash" as const), after: fc.nat(6) }) },
            { weight: 2, arbitrary: fc.record({ do: fc.constant("break" as const) }) },
            { weight: 2, arbitrary: fc.record({ do: fc.constant("repair" as const) }) },
            { weight: 4, arbitrary: fc.record({ do: fc.constant("run" as const) }) },
            { weight: 2, arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.nat(400_000) }) },
          ),
          { maxLength: 30 },
        ),
        async (actions) => {
          const target = fakeTarget();
          await using core = await aCore({ targets: [target] });
          let emitted = 0;
          for (const action of actions) {
            if (action.do === "emit" || action.do === "garble" || action.do === "stray") emitted++;
            if (action.do === "emit")
              await core.emit({ id: `e${action.id}`, subject: `r${action.lane}`, data: { new_rate: action.rate } });
            if (action.do === "garble") await core.emit(`{${action.id}`);
            if (action.do === "stray") await core.emit({ id: `s${action.id}`, type: "stray", data: {} });
            if (action.do === "crash") await core.run(crashAfter(core.engine, action.after)).catch(() => {});
            if (action.do === "break") {
              target.awake = false;
              target.behave = () => ({ kind: "retry", reason: "answered 503", mayHaveLanded: true });
            }
            if (action.do === "repair") {
              target.awake = true;
              target.behave = target.take;
            }
            if (action.do === "run") await core.run();
            if (action.do === "wait") await core.clock.advance(action.ms);
          }
          expect(await invariantViolations(core, emitted)).toEqual([]);

          target.awake = true;
          target.behave = target.take;
          await core.rest();
          expect(await invariantViolations(core, emitted)).toEqual([]);
          const { packets } = await core.engine.store.tally();
          expect(packets).toMatchObject({ QUEUED: 0, RETRY: 0, HELD: 0 });
          expect([...target.effects.values()].every((times) => times === 1)).toBe(true);
          await newestWins(core, target.state);
        },
      ),
      { numRuns: 60 },
    );
  });
});

/** Checks that the target holds, for every entity, the value of its newest packet. */
async function newestWins(core: Core, state: ReadonlyMap<string, unknown>): Promise<void> {
  const newest = new Map<string, { accepted: number; rate: unknown }>();
  for (const { packet } of await core.packets()) {
    const known = newest.get(packet.entity);
    if (known && known.accepted > packet.version.accepted) continue;
    newest.set(packet.entity, { accepted: packet.version.accepted, rate: packet.fields.dailyRate });
  }
  for (const [entity, { rate }] of newest) expect(state.get(entity)).toMatchObject({ dailyRate: rate });
}

function withoutSends(engine: Engine): Engine {
  const queue = new Proxy(engine.queue, {
    get(target, name) {
      const member = Reflect.get(target, name, target);
      if (name === "send") return () => Promise.reject(new Error("throttled"));
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
  return { ...engine, queue };
}

function recordingCalls(core: Core, order: string[]): Engine {
  const { engine } = core;
  const store = new Proxy(engine.store, {
    get(target, name) {
      const member = Reflect.get(target, name, target);
      if (name !== "write") return typeof member === "function" ? member.bind(target) : member;
      return async (...args: Parameters<Engine["store"]["write"]>) => {
        const written = await target.write(...args);
        order.push(`write ${args[0].map(({ kind }) => kind).join(" ")}`);
        return written;
      };
    },
  });
  const queue = new Proxy(engine.queue, {
    get(target, name) {
      const member = Reflect.get(target, name, target);
      if (name !== "send") return typeof member === "function" ? member.bind(target) : member;
      return (...args: Parameters<Engine["queue"]["send"]>) => {
        order.push(`send ${args[0]}`);
        return target.send(...args);
      };
    },
  });
  return { ...engine, store, queue };
}
