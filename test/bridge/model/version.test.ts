import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Acceptance, acceptanceAt } from "../../../bridge/model/acceptance.ts";
import type { SourceEvent } from "../../../bridge/model/event.ts";
import { compareVersions, isMixedOrder, type Version, versionOf } from "../../../bridge/model/version.ts";
import { anEvent, aVersion, noon } from "../../support/builders.ts";

const yearMs = 365 * 86_400_000;
const acceptedAtNoon = acceptedAt(noon);

function acceptedAt(ms: number): Acceptance {
  return { accepted: ms * 1_000, acceptedAt: ms };
}

/** Returns an RFC 3339 time some seconds after 11 o'clock, with the given digits of a second. */
function at(seconds: number, digits = "0"): string {
  return `${new Date(noon - 3_600_000 + seconds * 1_000).toISOString().slice(0, 19)}.${digits}Z`;
}

function permutations<T>(items: readonly T[]): T[][] {
  if (items.length < 2) return [[...items]];
  return items.flatMap((item, i) => permutations(items.toSpliced(i, 1)).map((rest) => [item, ...rest]));
}

describe("the version of an event's packets", () => {
  it("takes the event's time, or the time of acceptance if the event has none", () => {
    expect(versionOf(anEvent({ time: "2026-03-01T11:00:00Z" }), acceptedAtNoon).version.time).toBe(noon - 3_600_000);
    expect(versionOf(anEvent(), acceptedAtNoon).version.time).toBe(noon);
  });

  it.each([
    [5 * 60_000, false],
    [5 * 60_000 + 1, true],
    [365 * 86_400_000, true],
  ])("clamps a time %i ms ahead: %s", (ahead, expected) => {
    const time = new Date(noon + ahead).toISOString();

    const { version, clamped } = versionOf(anEvent({ time }), acceptedAtNoon);

    expect(clamped).toBe(expected);
    expect(version.time).toBe(noon + Math.min(ahead, 5 * 60_000));
  });

  it("keeps the digits beyond the millisecond, without trailing zeros", () => {
    const fine = (time: string) => versionOf(anEvent({ time }), acceptedAtNoon).version.fine;

    expect(fine("2026-03-01T11:00:00.123456Z")).toBe("456");
    expect(fine("2026-03-01T11:00:00.123456700+02:00")).toBe("4567");
    expect(fine("2026-03-01T11:00:00.123000Z")).toBeUndefined();
    expect(fine("2026-03-01T11:00:00.12Z")).toBeUndefined();
    expect(fine("2026-03-01T11:00:00Z")).toBeUndefined();
  });

  it("notes the time of acceptance only if it does not follow from the order of acceptance", () => {
    const version = (acceptance: Acceptance) => versionOf(anEvent(), acceptance).version;

    expect(version(acceptedAtNoon)).not.toHaveProperty("acceptedAt");
    expect(version({ accepted: (noon + yearMs) * 1_000, acceptedAt: noon }).acceptedAt).toBe(noon);
  });
});

describe("the order of versions", () => {
  const anyVersion = (counted: boolean) =>
    fc
      .record({ time: fc.nat(3), accepted: fc.nat(3), revision: fc.nat(2), sequence: fc.nat(3) })
      .map(({ sequence, ...rest }): Version => ({ source: "s", ...rest, ...(counted && { sequence }) }));

  it.each([
    ["with sequences", true],
    ["without sequences", false],
  ])("forms a strict weak order within one source %s", (_, counted) => {
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

  it("compares sequence before time within a source, and time between sources", () => {
    const early = aVersion({ sequence: 2, time: noon - 1_000 });
    const late = aVersion({ sequence: 1, time: noon });

    expect(compareVersions(early, late)).toBeGreaterThan(0);
    expect(compareVersions({ ...early, source: "other" }, late)).toBeLessThan(0);
  });

  it("ranks a later revision as newer, and equal versions as equal", () => {
    expect(compareVersions(aVersion({ revision: 1 }), aVersion())).toBeGreaterThan(0);
    expect(compareVersions(aVersion(), aVersion())).toBe(0);
  });

  it.each<[string, readonly Partial<SourceEvent>[]]>([
    ["distinct sequences", [{ sequence: 1, time: at(30) }, { sequence: 2, time: at(10) }, { sequence: 3 }]],
    ["distinct times", [{ time: at(10) }, { time: at(20) }, { time: at(30) }]],
    [
      "times that differ beyond the ms",
      [{ time: at(10, "123456") }, { time: at(10, "1239") }, { time: at(10, "123999") }],
    ],
    ["times too far in the future", [{ time: at(10_000) }, { time: at(10_001) }, { time: at(10_002) }]],
    [
      "a change without a sequence among others",
      [{ time: at(20) }, { sequence: 1, time: at(30) }, { sequence: 2, time: at(10) }],
    ],
  ])("ends with the same change for every order of arrival of %s", (_, events) => {
    for (const order of permutations(events)) {
      const versions = order.map((event, i) => versionOf(anEvent(event), acceptedAt(noon + i)).version);
      const last = versions.reduce((held, next) => (compareVersions(held, next) > 0 ? held : next));
      expect(order[versions.indexOf(last)]).toBe(events.at(-1));
    }
  });

  it.each([
    ["without a time", () => undefined],
    ["with the time of the same clock", (now: number) => new Date(now).toISOString()],
  ])("follows acceptance after the clock was wrong, for changes %s", (_, timeAt) => {
    for (const wrongBy of [yearMs, -yearMs, 3_600_000, -3_600_000, 303_000]) {
      const clock = [noon, noon + wrongBy, noon + 1_000, noon + 2_000];
      const versions = clock.map((now, i) => {
        const accepted = Math.max(noon, noon + wrongBy) * 1_000 + i;
        return versionOf(anEvent({ time: timeAt(now) }), { accepted, acceptedAt: now }).version;
      });
      const [, wrong, right, last] = versions as [Version, Version, Version, Version];
      expect(compareVersions(wrong, right)).toBeLessThan(0);
      expect(compareVersions(wrong, last)).toBeLessThan(0);
      expect(compareVersions(right, last)).toBeLessThan(0);
    }
  });

  it("follows acceptance for changes without a time, even if the clock goes back by less than clocks may differ", () => {
    const before = versionOf(anEvent(), { accepted: (noon + 60_000) * 1_000, acceptedAt: noon + 60_000 }).version;
    const after = versionOf(anEvent(), { accepted: (noon + 60_000) * 1_000 + 1, acceptedAt: noon }).version;

    expect(compareVersions(before, after)).toBeLessThan(0);
  });

  it("orders changes of one millisecond by their event's key if the queue keeps no order", () => {
    const [a, b] = ["evt-aaaaaaaaaaaaaaaa", "evt-bbbbbbbbbbbbbbbb"].map(
      (key) => versionOf(anEvent(), acceptanceAt({ sentAt: noon }, key)).version,
    ) as [Version, Version];

    expect(compareVersions(a, b)).toBeLessThan(0);
    expect(compareVersions(b, a)).toBeGreaterThan(0);
  });

  it("ranks a sequence that started again after an operator's confirmation as newer", () => {
    const before = versionOf(anEvent({ sequence: 900 }), acceptedAtNoon).version;
    const after = versionOf(anEvent({ sequence: 1 }), acceptedAt(noon + 1), 1).version;

    expect(compareVersions(before, after)).toBeLessThan(0);
  });

  it("recognizes a mix of kinds within one source", () => {
    const counted = aVersion({ sequence: 1 });

    expect(isMixedOrder(counted, aVersion())).toBe(true);
    expect(isMixedOrder(aVersion({ untimed: true }), aVersion())).toBe(true);
    expect(isMixedOrder(counted, aVersion({ sequence: 2, untimed: true }))).toBe(false);
    expect(isMixedOrder(counted, aVersion({ source: "other" }))).toBe(false);
  });
});
