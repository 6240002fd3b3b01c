import { createSecretKey } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { pack, type VettedPayload } from "../../../bridge/intake/build-packet.ts";
import type { Connector } from "../../../bridge/model/connector.ts";
import {
  compareVersions,
  maxPacketBytes,
  revise,
  sizeIssue,
  strictOrder,
  type Version,
  versionOf,
} from "../../../bridge/model/packet.ts";
import { aKey, anEvent, aPacket, aSheet, aVersion, noon } from "../../support/builders.ts";

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

describe("a packet's id", () => {
  it("is the same for the same event, target, entity and revision", () => {
    expect(pack(aVetted(), origin, connector, aKey)).toEqual(pack(aVetted(), origin, connector, aKey));
    expect(pack(aVetted(), origin, connector, aKey).id).toMatch(/^pkt-[a-z2-7]{16}$/);
  });

  it("does not change with the fields, and does with anything that makes it another packet", () => {
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

  it("is told apart for entities that only run together", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.string({ minLength: 1 }), (a, b) => {
        const id = (entity: string) => pack(aVetted({ entity }), origin, connector, aKey).id;
        expect(id(a) === id(b)).toBe(a === b);
      }),
    );
  });
});

describe("lanes and shadows", () => {
  it("hide the entity, and depend on the bridge's own key", () => {
    const mine = pack(aVetted({ entity: "123-45-6789" }), origin, connector, aKey);
    const theirs = pack(aVetted({ entity: "123-45-6789" }), origin, connector, createSecretKey(Buffer.alloc(32, 1)));

    expect(mine.lane).not.toContain("6789");
    expect(mine.lane).not.toBe(theirs.lane);
    expect(mine.lane).toBe(mine.shadow);
  });

  it("are one for all entities of a connector that says so, with a shadow for each", () => {
    const wide = { ...connector, lane: "connector" } as Connector;
    const a = pack(aVetted({ entity: "a" }), origin, wide, aKey);
    const b = pack(aVetted({ entity: "b" }), origin, wide, aKey);

    expect(a.lane).toBe(b.lane);
    expect(a.shadow).not.toBe(b.shadow);
  });
});

describe("a version", () => {
  it("is the event's time, or the time of acceptance where it gives none", () => {
    expect(versionOf(anEvent({ time: "2026-03-01T11:00:00Z" }), noon * 1_000).version.time).toBe(noon - 3_600_000);
    expect(versionOf(anEvent(), noon * 1_000).version.time).toBe(noon);
  });

  it.each([
    [5 * 60_000, false],
    [5 * 60_000 + 1, true],
    [365 * 86_400_000, true],
  ])("%i ms ahead is clamped: %s", (ahead, expected) => {
    const time = new Date(noon + ahead).toISOString();

    const { version, clamped } = versionOf(anEvent({ time }), noon * 1_000);

    expect(clamped).toBe(expected);
    expect(version.time).toBe(noon + Math.min(ahead, 5 * 60_000));
  });

  const anyVersion = (counted: boolean) =>
    fc
      .record({ time: fc.nat(3), accepted: fc.nat(3), revision: fc.nat(2), sequence: fc.nat(3) })
      .map(({ sequence, ...rest }): Version => ({ source: "s", ...rest, ...(counted && { sequence }) }));

  it.each([
    ["that counts", true],
    ["that does not count", false],
  ])("is in a strict weak order within one source %s", (_, counted) => {
    const of = anyVersion(counted);
    const older = (a: Version, b: Version) => compareVersions(a, b) < 0;
    fc.assert(
      fc.property(of, of, of, (a, b, c) => {
        expect(older(a, a)).toBe(false);
        if (older(a, b)) expect(older(b, a)).toBe(false);
        if (older(a, b) && older(b, c)) expect(older(a, c)).toBe(true);
        const equal = (x: Version, y: Version) => !older(x, y) && !older(y, x);
        if (equal(a, b) && equal(b, c)) expect(equal(a, c)).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });

  it("goes by sequence before time within a source, and by time between sources", () => {
    const early = aVersion({ sequence: 2, time: noon - 1_000 });
    const late = aVersion({ sequence: 1, time: noon });

    expect(compareVersions(early, late)).toBeGreaterThan(0);
    expect(compareVersions({ ...early, source: "other" }, late)).toBeLessThan(0);
  });

  it("is newer for a later revision and for nothing else that is equal", () => {
    expect(compareVersions(aVersion({ revision: 1 }), aVersion())).toBeGreaterThan(0);
    expect(compareVersions(aVersion(), aVersion())).toBe(0);
  });
});

describe("a revision", () => {
  it("keeps lane, shadow and place in time, and says what it replays", () => {
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

describe("a packet's place in a strict lane", () => {
  it("is its sequence, else the order of acceptance", () => {
    expect(strictOrder(aPacket({ version: aVersion({ sequence: 4 }) }))).toBe(4);
    expect(strictOrder(aPacket({ version: aVersion({ accepted: 9 }) }))).toBe(9);
  });
});

describe("a packet's size", () => {
  const sized = (bytes: number, unit = "x") => {
    const empty = JSON.stringify(aPacket({ fields: { a: "" } })).length;
    return aPacket({ fields: { a: unit.repeat((bytes - empty) / Buffer.byteLength(unit)) } });
  };

  it("is taken up to 256 KiB and refused a byte above, with both numbers", () => {
    expect(sizeIssue(sized(maxPacketBytes))).toBeUndefined();
    expect(sizeIssue(sized(maxPacketBytes + 1))).toBe(
      "the packet has 262145 bytes, more than the 262144 a packet may have",
    );
  });

  it("counts bytes, not characters", () => {
    const packet = aPacket({ fields: { a: "€".repeat(90_000) } });

    expect(JSON.stringify(packet).length).toBeLessThan(maxPacketBytes);
    expect(sizeIssue(packet)).toBeDefined();
  });
});
