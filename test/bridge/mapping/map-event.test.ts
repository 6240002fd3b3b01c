import { describe, expect, it } from "vitest";
import { type MappedPayload, mapEvent } from "../../../bridge/mapping/map-event.ts";
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

async function fieldsOf(target: string, data: JsonObject): Promise<JsonObject | undefined> {
  return (await mapped(target, { data }))[0]?.fields;
}

describe("mapping", () => {
  it.each<[string, string, JsonObject, JsonObject | undefined]>([
    ["renames", "map: { x: y }", { x: 1 }, { y: 1 }],
    ["leaves absent fields absent", "map: { x: y, z: w }", { x: 1 }, { y: 1 }],
    ["keeps null as null", "map: { x: y }", { x: null }, { y: null }],
    [
      "keeps false, zero and the empty text",
      "map: { x: x, y: y, z: z }",
      { x: false, y: 0, z: "" },
      { x: false, y: 0, z: "" },
    ],
    ["makes no packet of nothing", "map: { x: y }", { other: 1 }, undefined],
    ["reads through dots", "map: { a.b.c: y }", { a: { b: { c: 5 } } }, { y: 5 }],
    ["reads through lists by place", "map: { a.0: y }", { a: [7] }, { y: 7 }],
    ["writes dots flat", "map: { x: a.b }", { x: 1 }, { "a.b": 1 }],
    ["sees no inherited field", "map: { toString: y, x: z }", { x: 1 }, { z: 1 }],
    ["drops new_x equal to old_x", "map: { new_rate: y }", { new_rate: 5, old_rate: 5 }, undefined],
    ["keeps new_x unlike old_x", "map: { new_rate: y }", { new_rate: 5, old_rate: 6 }, { y: 5 }],
    ["drops x equal to old_x", "map: { rate: y }", { rate: 5, old_rate: 5 }, undefined],
    [
      "drops x equal to previous.x",
      "map: { rate: y }",
      { rate: { a: [1] }, previous: { rate: { a: [1] } } },
      undefined,
    ],
    ["keeps x unlike previous.x", "map: { rate: y }", { rate: 5, previous: { rate: null } }, { y: 5 }],
    ["takes new_x against previous.x", "map: { new_rate: y }", { new_rate: 5, previous: { rate: 5 } }, undefined],
    ["takes an old null for a value", "map: { rate: y }", { rate: null, old_rate: null }, undefined],
    ["clears what was there", "map: { rate: y }", { rate: null, old_rate: 5 }, { y: null }],
    ["reads old_x beside a nested x", "map: { a.new_rate: y }", { a: { new_rate: 1, old_rate: 1 } }, undefined],
    ["tells 1 from its text", "map: { rate: y }", { rate: 1, old_rate: "1" }, { y: 1 }],
    ["adds fixed fields to a change", "map: { x: y }, set: { origin: HMS }", { x: 1 }, { y: 1, origin: "HMS" }],
    ["sends no fixed field alone", "map: { x: y }, set: { origin: HMS }", { other: 1 }, undefined],
    ["computes", "map: { x: { to: y, with: '$ & \"!\"' } }", { x: "a" }, { y: "a!" }],
    ["leaves out what computes to nothing", "map: { x: { to: y, with: 'nothing' }, z: z }", { x: {}, z: 1 }, { z: 1 }],
    [
      "clears with null, whatever the expression",
      "map: { x: { to: y, with: '$uppercase($)' } }",
      { x: null },
      { y: null },
    ],
    [
      "sends all, unchanged too, with send: full",
      "map: { x: x, z: z }, send: full",
      { x: 1, old_x: 1, z: 2 },
      { x: 1, z: 2 },
    ],
    ["deletes without fields", "action: delete", { other: 1 }, {}],
  ])("%s", async (_, target, data, expected) => {
    expect(await fieldsOf(target, data)).toEqual(expected);
  });

  it("holds a packet with send: full if a field is missing", async () => {
    const [parcel] = await mapped("map: { x: x, z: z }, send: full", { data: { x: 1 } });

    expect(parcel?.fault).toBe("send: full needs z, which the event does not give");
  });

  it("holds a packet if an expression fails, with a reason that contains no value", async () => {
    const [parcel] = await mapped("map: { x: { to: y, with: $number($) } }", { data: { x: "Zephyrine" } });

    expect(parcel?.fault).toMatch(/^x: /);
    expect(parcel?.fault).not.toContain("Zephyrine");
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
    ["a key written from the data", "key: policyId", "map: { x: y }", { data: { x: 1, policyId: 7 } }, "7"],
    ["the target's key first", "key: data.a", "key: b, map: { x: y }", { data: { x: 1, a: "a", b: "b" } }, "b"],
    ["the subject without a key", "", "map: { x: y }", { subject: "s-1", data: { x: 1, id: "d-1" } }, "s-1"],
    ["data.id without a subject", "", "map: { x: y }", { subject: undefined, data: { x: 1, id: "d-1" } }, "d-1"],
    ["the sheet's name without anything", "", "map: { x: y }", { subject: undefined, data: { x: 1 } }, "sheet"],
    [
      "the subject where the key is no name",
      "key: data.o",
      "map: { x: y }",
      { subject: "s-1", data: { x: 1, o: {} } },
      "s-1",
    ],
  ])("takes for the entity %s", async (...[, top, target, event, entity]) => {
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
      const parcels = await mapped(`for_each: data.people, key: badge, map: { desk: ${rule} }`, { data });

      expect(parcels.map(({ entity, fields, fault }) => [entity, fields, fault?.slice(0, 15)])).toEqual([
        ["a", { desk: 1 }, undefined],
        ["data.people[1]", {}, "data.people[1] "],
        ["data.people[2]", {}, "data.people[2] "],
        ["true", { desk: 4 }, undefined],
      ]);
    }
  });

  it("holds an event whose roster is not an array", async () => {
    const [parcel] = await mapped("for_each: data.people, map: { desk: desk }", { id: "e-1", data: { people: "all" } });

    expect(parcel?.fault).toBe("for_each: data.people is not an array in the event");
  });

  it("returns no payload for an empty roster", async () => {
    expect(await mapped("for_each: data.people, map: { desk: desk }", { data: { people: [] } })).toEqual([]);
  });
});
