import { describe, expect, it } from "vitest";
import { earlierShadowIdOf } from "../../../bridge/model/shadow-id.ts";
import type { Version } from "../../../bridge/model/version.ts";
import { forget } from "../../../bridge/operations/forget-shadow.ts";
import { recordKey } from "../../../bridge/values/record-key.ts";
import { aCore, type Core, type FakeTarget, fakeTarget, onePerDiem } from "../../support/core.ts";

const nfc = "Jos\u00e9";
const nfd = "Jose\u0301";

const roster = `
source_event: roster
targets:
  fake: { connector: Fake, for_each: data.people, key: badge, map: { desk: desk } }
`;

const byKey = `
source_event: policy.per_diem.updated
key: data.policyId
targets:
  fake: { connector: Fake, map: { new_rate: dailyRate } }
`;

async function lanes(core: Core): Promise<Set<string>> {
  return new Set((await core.packets()).map(({ packet }) => packet.lane));
}

/** Writes the shadow that an earlier release kept under a key as given. */
async function writeShadow({ engine }: Core, id: string, version: Version): Promise<void> {
  await engine.store.write([{ kind: "shadow", id, value: { fields: { dailyRate: { version } } }, etag: 0 }]);
}

function earlierId({ engine }: Core, target: FakeTarget, key: string): string {
  return earlierShadowIdOf(target.connector, key, engine.bridgeKey) as string;
}

describe("the canonical form of a record key", () => {
  it.each([
    ["an accent in two code points", nfd, nfc],
    ["a trailing blank", "A7 ", "A7"],
    ["a leading tab and a trailing no-break space", "\tA7\u00a0", "A7"],
    ["a next-line character", "A7\u0085", "A7"],
    ["an ideographic space", "\u3000A7", "A7"],
    ["a blank before a combining accent", "e \u0301", "e \u0301"],
    ["two blanks inside", "A  7", "A  7"],
    ["leading zeros", "0007", "0007"],
    ["upper case", "a7A", "a7A"],
    ["a byte order mark", "\ufeffA7", "\ufeffA7"],
    ["blanks only", " \t\u2003", ""],
  ])("handles %s", (_, given, canonical) => {
    expect(recordKey(given)).toBe(canonical);
    expect(recordKey(canonical)).toBe(canonical);
  });

  it("takes linear time for a key with many blanks inside", () => {
    const key = `a${" ".repeat(200_000)}b`;

    expect(recordKey(`${key} `)).toBe(key);
  });
});

describe("a record key in several spellings", () => {
  it.each([
    ["the subject", {}, (key: string) => ({ subject: key, data: {} })],
    ["data.id", {}, (key: string) => ({ data: { id: key } })],
    ["a key of the sheet", { per_diem: byKey }, (key: string) => ({ data: { policyId: key } })],
  ])("shares one lane and one shadow if it is %s", async (_, sheets, keyed) => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target], sheets: { per_diem: onePerDiem, ...sheets } });
    const emit = (id: string, key: string, new_rate: number) => {
      const { data, ...rest } = keyed(key);
      return core.emit({ id, ...rest, data: { ...data, new_rate } });
    };

    await emit("1", nfc, 1);
    await emit("2", nfd, 2);
    await emit("3", `${nfc} `, 2);
    await core.run();

    expect(await lanes(core)).toHaveProperty("size", 1);
    const packets = (await core.packets()).map(({ packet }) => packet);
    expect(packets.map(({ entity }) => entity).sort()).toEqual([nfc, nfd, `${nfc} `].sort());
    expect((await core.packets()).map(({ progress }) => progress.status).sort()).toEqual(["SENT", "SENT", "UNCHANGED"]);
    expect(target.calls.map(({ entity }) => entity)).toEqual([nfc, nfd]);
  });

  it("gives a number and its digits one lane, and digits with zeros before them another", async () => {
    await using core = await aCore({ sheets: { byKey } });

    await core.emit({ id: "1", data: { policyId: 7, new_rate: 1 } });
    await core.emit({ id: "2", data: { policyId: "7", new_rate: 2 } });
    await core.run();
    expect((await lanes(core)).size).toBe(1);
    await core.emit({ id: "3", data: { policyId: "0007", new_rate: 3 } });
    await core.run();
    expect((await lanes(core)).size).toBe(2);
  });

  it("counts as the same key twice in one roster", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target], sheets: { roster } });

    const people = [
      { badge: nfc, desk: "1" },
      { badge: ` ${nfd}`, desk: "2" },
      { badge: " ", desk: "3" },
    ];
    await core.emit({ id: "1", type: "roster", data: { people } });
    await core.run();

    const held = (await core.packets()).filter(({ progress }) => progress.status === "HELD");
    expect(held.map(({ progress }) => progress.reason).sort()).toEqual([
      expect.stringContaining("data.people[2] has no badge"),
      expect.stringContaining("the event has the same key twice"),
    ]);
    expect(target.calls).toHaveLength(1);
  });

  it("reads nothing from a subject of blanks", async () => {
    await using core = await aCore({ sheets: { per_diem: onePerDiem } });

    await core.emit({ id: "1", subject: "  ", data: { id: "A7", new_rate: 1 } });
    await core.run();

    expect((await core.packets()).map(({ packet }) => packet.entity)).toEqual(["A7"]);
  });

  it("finds and forgets one record", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    await core.emit({ id: "1", subject: `${nfd} `, data: { new_rate: 1 } });
    await core.run();

    const found = await core.engine.store.packets({ entity: nfc, limit: 10 });
    expect(found.items).toHaveLength(1);
    expect((await core.engine.store.packets({ text: nfc.toUpperCase(), limit: 10 })).items).toHaveLength(1);

    const connector = core.engine.catalog.get("Fake@v1");
    expect(connector && (await forget(core.engine, connector, "jo", nfc))).toBe(true);
    await core.emit({ id: "2", subject: nfc, data: { new_rate: 1 } });
    await core.run();
    expect(target.calls).toHaveLength(2);
  });

  it("keeps older values out after an upgrade that finds the shadow under the key as given", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    await core.emit({ id: "1", subject: nfd, sequence: 4, data: { new_rate: 4 } });
    await core.map();
    const { packet } = await core.only();
    await writeShadow(core, earlierId(core, target, nfd), { ...packet.version, sequence: 5 });

    await core.run();
    expect((await core.only()).progress.status).toBe("SUPERSEDED");

    await core.emit({ id: "2", subject: nfd, sequence: 6, data: { new_rate: 6 } });
    await core.run();
    await core.emit({ id: "3", subject: nfc, sequence: 5, data: { new_rate: 5 } });
    await core.run();
    expect(target.calls.map(({ fields }) => fields)).toEqual([{ dailyRate: 6 }]);
    expect(await forget(core.engine, target.connector, "jo", nfd)).toBe(true);
  });

  it("shares one shadow with a packet that an earlier release recorded under the key as given", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    await core.emit({ id: "1", subject: nfd, sequence: 4, data: { new_rate: 4 } });
    await core.map();
    const record = await core.only();
    const { packet } = record;
    const old = { ...packet, shadow: earlierId(core, target, nfd) };
    await core.engine.store.write([{ kind: "packet", id: packet.id, value: { ...record, packet: old }, etag: 2 }]);
    await writeShadow(core, packet.shadow, { ...packet.version, sequence: 5 });

    await core.run();
    expect((await core.only()).progress.status).toBe("SUPERSEDED");
  });

  it("shares one lane if governance hashes it", async () => {
    const governance = `
otherwise: block
rules:
  - { id: keys, field: entity, action: hash }
`;
    await using core = await aCore({ governance });
    await core.emit({ id: "1", subject: nfc, data: { new_rate: 1 } });
    await core.emit({ id: "2", subject: `${nfd} `, data: { new_rate: 2 } });
    await core.run();

    expect((await lanes(core)).size).toBe(1);
  });
});
