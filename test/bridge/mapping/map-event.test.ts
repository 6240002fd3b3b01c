import { describe, expect, it } from "vitest";
import { changedFields, type MappedPayload, mapEvent } from "../../../bridge/mapping/map-event.ts";
import { match } from "../../../bridge/mapping/match-targets.ts";
import type { SourceEvent } from "../../../bridge/model/event.ts";
import type { JsonObject } from "../../../bridge/values/json.ts";
import { anEvent, aSheet, noon } from "../../support/builders.ts";

async function mapped(target: string, event: Partial<SourceEvent>, top = ""): Promise<MappedPayload[]> {
  const sheet = aSheet(
    `source_event: t\n${top}\ntargets:\n  a: { connector: Fake, ${target} }\n`,
    "mappings/sheet.yaml",
  );
  const [found] = await match(anEvent({ type: "t", ...event }), [sheet], noon);
  if (!found) throw new Error("no match");
  return mapEvent(anEvent({ type: "t", ...event }), found, noon);
}

/** Returns the fields that a target gets if it already holds the event's previous values. */
async function fieldsOf(target: string, data: JsonObject): Promise<JsonObject | undefined> {
  const [payload] = await mapped(target, { data });
  return payload && changedFields(payload);
}

describe("mapping", () => {
  it.each<[string, string, JsonObject, JsonObject | undefined]>([
    ["renames", "map: { x: y }", { x: 1 }, { y: 1 }],
    ["leaves absent fields absent", "map: { x: y, z: w }", { x: 1 }, { y: 1 }],
    ["keeps null as null", "map: { x: y }", { x: null }, { y: null }],
    [
      "keeps false, zero and the empty string",
      "map: { x: x, y: y, z: z }",
      { x: false, y: 0, z: "" },
      { x: false, y: 0, z: "" },
    ],
    ["returns no payload if the event has no mapped field", "map: { x: y }", { other: 1 }, undefined],
    ["reads nested fields by a dotted path", "map: { a.b.c: y }", { a: { b: { c: 5 } } }, { y: 5 }],
    ["reads list items by index", "map: { a.0: y }", { a: [7] }, { y: 7 }],
    ["keeps a dotted target field flat", "map: { x: a.b }", { x: 1 }, { "a.b": 1 }],
    ["ignores inherited properties", "map: { toString: y, x: z }", { x: 1 }, { z: 1 }],
    ["marks new_x as unchanged if it equals old_x", "map: { new_rate: y }", { new_rate: 5, old_rate: 5 }, undefined],
    ["keeps new_x if it differs from old_x", "map: { new_rate: y }", { new_rate: 5, old_rate: 6 }, { y: 5 }],
    ["marks x as unchanged if it equals old_x", "map: { rate: y }", { rate: 5, old_rate: 5 }, undefined],
    [
      "marks x as unchanged if it equals previous.x",
      "map: { rate: y }",
      { rate: { a: [1] }, previous: { rate: { a: [1] } } },
      undefined,
    ],
    ["keeps x if it differs from previous.x", "map: { rate: y }", { rate: 5, previous: { rate: null } }, { y: 5 }],
    ["compares new_x with previous.x", "map: { new_rate: y }", { new_rate: 5, previous: { rate: 5 } }, undefined],
    [
      "marks null as unchanged if the previous value is null",
      "map: { rate: y }",
      { rate: null, old_rate: null },
      undefined,
    ],
    ["keeps null if there was a previous value", "map: { rate: y }", { rate: null, old_rate: 5 }, { y: null }],
    ["finds old_x next to a nested new_x", "map: { a.new_rate: y }", { a: { new_rate: 1, old_rate: 1 } }, undefined],
    ["distinguishes 1 from the text 1", "map: { rate: y }", { rate: 1, old_rate: "1" }, { y: 1 }],
    ["adds fixed fields to a change", "map: { x: y }, set: { origin: HMS }", { x: 1 }, { y: 1, origin: "HMS" }],
    ["does not send fixed fields alone", "map: { x: y }, set: { origin: HMS }", { other: 1 }, undefined],
    ["evaluates a field's expression", "map: { x: { to: y, with: '$ & \"!\"' } }", { x: "a" }, { y: "a!" }],
    [
      "leaves out a field whose expression returns nothing",
      "map: { x: { to: y, with: 'nothing' }, z: z }",
      { x: {}, z: 1 },
      { z: 1 },
    ],
    [
      "maps null to null without evaluating the expression",
      "map: { x: { to: y, with: '$uppercase($)' } }",
      { x: null },
      { y: null },
    ],
    [
      "marks no field as unchanged with send: full",
      "map: { x: x, z: z }, send: full",
      { x: 1, old_x: 1, z: 2 },
      { x: 1, z: 2 },
    ],
    ["returns a payload without fields for action: delete", "action: delete", { other: 1 }, {}],
  ])("%s", async (_, target, data, expected) => {
    expect(await fieldsOf(target, data)).toEqual(expected);
  });

  it("keeps fields that the event says are unchanged, and names them", async () => {
    for (const rule of ["rate", "{ to: rate, with: $ }"]) {
      const target = `map: { rate: ${rule}, city: city }, set: { origin: HMS }`;
      const [some] = await mapped(target, { data: { rate: 5, old_rate: 5, city: "Denver" } });
      const [all] = await mapped(target, { data: { rate: 5, old_rate: 5 } });

      expect(some).toMatchObject({ fields: { rate: 5, city: "Denver", origin: "HMS" }, unchanged: ["rate"] });
      expect(changedFields(some as MappedPayload)).toEqual({ city: "Denver", origin: "HMS" });
      expect(all).toMatchObject({ fields: { rate: 5, origin: "HMS" }, unchanged: ["rate"] });
      expect(changedFields(all as MappedPayload)).toBeUndefined();
    }
  });

  it("holds a packet with send: full if a field is missing", async () => {
    const [payload] = await mapped("map: { x: x, z: z }, send: full", { data: { x: 1 } });

    expect(payload?.issue).toBe("send: full needs z, which the event does not have");
  });

  it("holds a packet if an expression fails, with a reason that contains no value", async () => {
    const [payload] = await mapped("map: { x: { to: y, with: $number($) } }", { data: { x: "Zephyrine" } });

    expect(payload?.issue).toMatch(/^x: /);
    expect(payload?.issue).not.toContain("Zephyrine");
  });

  it("uses the time of acceptance for $now()", async () => {
    expect(await fieldsOf("map: { x: { to: y, with: $now() } }", { x: 1 })).toEqual({ y: "2026-03-01T12:00:00.000Z" });
  });

  it("does not change the event", async () => {
    const data = { x: { deep: [1] }, list: [{ id: "a", v: 1 }] };
    const before = structuredClone(data);

    await mapped("map: { x: y }, set: { z: 1 }", { data });
    await mapped("for_each: data.list, map: { v: v }, set: { z: 1 }", { data });

    expect(data).toEqual(before);
  });

  it.each<[string, string, string, Partial<SourceEvent>, string]>([
    ["the sheet's key", "key: data.policyId", "map: { x: y }", { data: { x: 1, policyId: "p-1", id: "d-1" } }, "p-1"],
    [
      "the sheet's key without its data. prefix",
      "key: policyId",
      "map: { x: y }",
      { data: { x: 1, policyId: 7 } },
      "7",
    ],
    [
      "the target's key if there are two",
      "key: data.a",
      "key: b, map: { x: y }",
      { data: { x: 1, a: "a", b: "b" } },
      "b",
    ],
    ["the subject if there is no key", "", "map: { x: y }", { subject: "s-1", data: { x: 1, id: "d-1" } }, "s-1"],
    ["data.id if there is no subject", "", "map: { x: y }", { subject: undefined, data: { x: 1, id: "d-1" } }, "d-1"],
    ["the sheet's name as a last resort", "", "map: { x: y }", { subject: undefined, data: { x: 1 } }, "sheet"],
    [
      "the subject if the key's value is an object",
      "key: data.o",
      "map: { x: y }",
      { subject: "s-1", data: { x: 1, o: {} } },
      "s-1",
    ],
  ])("identifies the entity by %s", async (...[, top, target, event, entity]) => {
    expect((await mapped(target, event, top))[0]?.entity).toBe(entity);
  });

  it("returns one payload per element, with an issue for each invalid element", async () => {
    const data = {
      people: [
        { badge: "a", desk: 1 },
        { desk: 2 },
        "x",
        { badge: "b", desk: 3, old_desk: 3 },
        { badge: true, desk: 4 },
      ],
    };

    for (const rule of ["desk", "{ to: desk, with: $ }"]) {
      const payloads = await mapped(`for_each: data.people, key: badge, map: { desk: ${rule} }`, { data });

      expect(payloads.map(({ entity, fields, issue }) => [entity, fields, issue?.slice(0, 15)])).toEqual([
        ["a", { desk: 1 }, undefined],
        ["data.people[1]", {}, "data.people[1] "],
        ["data.people[2]", {}, "data.people[2] "],
        ["b", { desk: 3 }, undefined],
        ["true", { desk: 4 }, undefined],
      ]);
    }
  });

  it("holds an event whose roster is not an array", async () => {
    const [payload] = await mapped("for_each: data.people, map: { desk: desk }", {
      id: "e-1",
      data: { people: "all" },
    });

    expect(payload?.issue).toBe("for_each: data.people is not an array in the event");
  });

  it("returns no payload for an empty roster", async () => {
    expect(await mapped("for_each: data.people, map: { desk: desk }", { data: { people: [] } })).toEqual([]);
  });
});
