import { describe, expect, it } from "vitest";
import { accept, resumeUnsent } from "../../../bridge/intake/accept.ts";
import { parseChunk } from "../../../bridge/intake/expand-chunk.ts";
import { eventKey } from "../../../bridge/model/event.ts";
import { aCore, type Core, fakeTarget, invariantViolations } from "../../support/core.ts";
import { crashAfter } from "../../support/crash-after.ts";

const roster = `
source_event: roster
targets:
  fake: { connector: Fake, for_each: data.people, key: badge, map: { desk: desk } }
`;
const key = eventKey({ source: "hms.policy", id: "1" });

describe("roster of more than 500 elements", () => {
  it("returns to the inbox once, in chunks, and ends as one expanded event", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target], sheets: { roster } });
    await emitRoster(core, 1_250);

    const first = await core.engine.queue.receive("inbox", { max: 1, visibilityMs: 0, waitMs: 0 });
    await core.map();
    const { chunks } = (await eventOf(core)) ?? {};
    await core.rest();

    expect(first).toHaveLength(1);
    expect(chunks).toBeUndefined();
    expect(target.state.size).toBe(1_250);
    expect(target.calls).toHaveLength(1_250);
    expect(await core.steps(key)).toEqual(["EXPANDING", "EXPANDED"]);
    expect(await eventOf(core)).toMatchObject({ status: "EXPANDED", packets: 1_250 });
    expect((await core.engine.store.chain(key))[0]?.facts).toMatchObject({ chunks: 3 });
    expect(await invariantViolations(core, 1)).toEqual([]);
  });

  it("holds one of two elements with the same key, even in different chunks", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target], sheets: { roster } });
    const people = somePeople(1_100);
    people[1_050] = { badge: "b3", desk: -1 };

    await core.emit({ id: "1", type: "roster", data: { people } });
    await core.rest();

    const held = (await core.packets()).filter(({ progress }) => progress.status === "HELD");
    expect(held).toHaveLength(1);
    expect(held[0]?.packet.entity).toMatch(/^b3 \(again, element (3|1050)\)$/);
    expect(held[0]?.progress.reason).toMatch(/the same key twice/);
    expect(target.calls.filter(({ entity }) => entity === "b3")).toHaveLength(1);
    expect(await invariantViolations(core, 1)).toEqual([]);
  });

  it("recovers from a crash at any point without packing an element twice", async () => {
    for (let survived = 0, finished = false; !finished; survived += 10) {
      const target = fakeTarget();
      await using core = await aCore({ targets: [target], sheets: { roster } });
      await emitRoster(core, 520);

      await core.map(crashAfter(core.engine, survived)).catch(() => {});
      finished = (await eventOf(core))?.status === "EXPANDED";
      await core.clock.advance(200_000);
      await core.rest();

      expect(target.state.size, `after ${survived} writes`).toBe(520);
      expect([...target.effects.values()].every((times) => times === 1)).toBe(true);
      expect(await eventOf(core)).toMatchObject({ status: "EXPANDED", packets: 520 });
      expect(await invariantViolations(core, 1)).toEqual([]);
    }
  });

  it("keeps the sheet of its first chunk even if the sheets change meanwhile", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target], sheets: { roster } });
    await emitRoster(core, 1_100);
    await core.map(crashAfter(core.engine, 25)).catch(() => {});

    await core.use({ roster: roster.replace("{ desk: desk }", "{ desk: renamed }") });
    await core.clock.advance(200_000);
    await core.rest();

    expect(target.state.size).toBe(1_100);
    expect([...target.state.values()].every((fields) => "desk" in fields)).toBe(true);
  });

  it("returns to the inbox only if none of its chunks moved for 2 min", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target], sheets: { roster } });
    await emitRoster(core, 1_100);
    await mapOne(core);
    await takeFromInbox(core, 10);

    await core.clock.advance(119_000);
    await resumeUnsent(core.engine);
    expect(await core.depth("inbox")).toBe(0);
    await core.clock.advance(2_000);
    await resumeUnsent(core.engine);
    expect(await core.depth("inbox")).toBe(3);
    await mapOne(core);
    await core.clock.advance(60_000);
    await resumeUnsent(core.engine);
    expect(await core.depth("inbox")).toBe(2);
    await core.rest();

    expect(target.state.size).toBe(1_100);
  });

  it("expands once, however often its chunks arrive", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target], sheets: { roster } });
    await emitRoster(core, 600);
    await mapOne(core);
    const chunks = ["0.0", "0.500", "0.0", "0.500", "7.0", "0.1"];
    for (const chunk of chunks) await core.emit(JSON.stringify({ expand: key, chunk }));
    await core.emit(JSON.stringify({ expand: "evt-aaaaaaaaaaaaaaaa", chunk: "0.0" }));

    await core.rest();

    expect(target.calls).toHaveLength(600);
    expect(await eventOf(core)).toMatchObject({ status: "EXPANDED", packets: 600 });
    expect(await core.depth("inbox")).toBe(0);
  });

  it.each(['{"expand":"evt-1","chunk":"0.0"}', '{"expand":"evt-aaaaaaaaaaaaaaaa","chunk":"0.0","x":1}', "{}", ""])(
    "accepts no message such as %j as a chunk",
    (body) => {
      expect(parseChunk(body)).toBeUndefined();
    },
  );
});

function somePeople(count: number) {
  return Array.from({ length: count }, (_, i) => ({ badge: `b${i}`, desk: i }));
}

async function emitRoster(core: Core, count: number): Promise<void> {
  await core.emit({ id: "1", type: "roster", data: { people: somePeople(count) } });
}

async function eventOf(core: Core) {
  return (await core.engine.store.read("event", [key]))[0]?.value;
}

/** Processes one message of the inbox. */
async function mapOne(core: Core): Promise<void> {
  const messages = await takeFromInbox(core, 1);
  await accept(core.engine, messages);
}

/** Takes messages out of the inbox for good, as if they were lost. */
async function takeFromInbox(core: Core, max: number) {
  const messages = await core.engine.queue.receive("inbox", { max, visibilityMs: 180_000, waitMs: 0 });
  await core.engine.queue.remove(
    "inbox",
    messages.map(({ receipt }) => receipt),
  );
  return messages;
}
