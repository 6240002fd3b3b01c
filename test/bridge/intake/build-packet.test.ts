import { createSecretKey } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { pack, type VettedPayload } from "../../../bridge/intake/build-packet.ts";
import type { Connector } from "../../../bridge/model/connector.ts";
import { maxPacketBytes, revise, sizeIssue } from "../../../bridge/model/packet.ts";
import { aKey, aPacket, aSheet, aVersion } from "../../support/builders.ts";

const sheet = aSheet(
  "source_event: t\ntargets: { payroll: { connector: Fake, map: { a: b } }, gis: { connector: Fake, map: { a: b } } }",
);
const connector = { name: "Fake", version: "v1", order: "latest" } as Connector;
const [payroll, gis] = sheet.targets;

function aVetted(overrides: Partial<VettedPayload> = {}): VettedPayload {
  return {
    sheet,
    target: payroll as VettedPayload["target"],
    entity: "e-1",
    fields: { b: 1 },
    verdict: "allow",
    decisions: [],
    ...overrides,
  };
}

const origin = { key: "evt-aaaaaaaaaaaaaaaa", type: "t", version: aVersion() };

describe("packet id", () => {
  it("stays the same for the same event, target, entity and revision", () => {
    expect(pack(aVetted(), origin, connector, aKey)).toEqual(pack(aVetted(), origin, connector, aKey));
    expect(pack(aVetted(), origin, connector, aKey).id).toMatch(/^pkt-[a-z2-7]{16}$/);
  });

  it("depends on event, target, entity and revision, but not on the fields", () => {
    const base = pack(aVetted(), origin, connector, aKey).id;

    expect(pack(aVetted({ fields: { b: 2 } }), origin, connector, aKey).id).toBe(base);
    const others = [
      pack(aVetted({ entity: "e-2" }), origin, connector, aKey),
      pack(aVetted({ target: gis as VettedPayload["target"] }), origin, connector, aKey),
      pack(aVetted(), { ...origin, key: "evt-b" }, connector, aKey),
      revise(pack(aVetted(), origin, connector, aKey), 1),
    ];
    expect(new Set([base, ...others.map(({ id }) => id)]).size).toBe(5);
  });

  it("differs for any two different entities", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.string({ minLength: 1 }), (a, b) => {
        const id = (entity: string) => pack(aVetted({ entity }), origin, connector, aKey).id;
        expect(id(a) === id(b)).toBe(a === b);
      }),
    );
  });
});

describe("lane and shadow ids", () => {
  it("does not reveal the entity, and depends on the bridge's key", () => {
    const mine = pack(aVetted({ entity: "123-45-6789" }), origin, connector, aKey);
    const theirs = pack(aVetted({ entity: "123-45-6789" }), origin, connector, createSecretKey(Buffer.alloc(32, 1)));

    expect(mine.lane).not.toContain("6789");
    expect(mine.lane).not.toBe(theirs.lane);
    expect(mine.lane).toBe(mine.shadow);
  });

  it("shares one lane among all entities with `lane: connector`, but keeps a shadow for each", () => {
    const wide = { ...connector, lane: "connector" } as Connector;
    const a = pack(aVetted({ entity: "a" }), origin, wide, aKey);
    const b = pack(aVetted({ entity: "b" }), origin, wide, aKey);

    expect(a.lane).toBe(b.lane);
    expect(a.shadow).not.toBe(b.shadow);
  });
});

describe("packet revision", () => {
  it("keeps its lane, shadow and version, and names the packet it replays", () => {
    const packet = aPacket({ id: "pkt-x", force: true });

    const revised = revise(packet, 3);

    expect(revised).toMatchObject({
      replayOf: "pkt-x",
      lane: packet.lane,
      version: { ...packet.version, revision: 3 },
    });
    expect(revised.id).not.toBe(packet.id);
    expect(revised).not.toHaveProperty("force");
  });
});

describe("packet size limit", { tags: "row-25" }, () => {
  const sized = (bytes: number, unit = "x") => {
    const empty = JSON.stringify(aPacket({ fields: { a: "" } })).length;
    return aPacket({ fields: { a: unit.repeat((bytes - empty) / Buffer.byteLength(unit)) } });
  };

  it("accepts 256 KiB, and reports both sizes for one byte more", () => {
    expect(sizeIssue(sized(maxPacketBytes))).toBeUndefined();
    expect(sizeIssue(sized(maxPacketBytes + 1))).toBe("the packet has 262145 bytes; the limit is 262144");
  });

  it("counts bytes, not characters", () => {
    const packet = aPacket({ fields: { a: "€".repeat(90_000) } });

    expect(JSON.stringify(packet).length).toBeLessThan(maxPacketBytes);
    expect(sizeIssue(packet)).toBeDefined();
  });
});
