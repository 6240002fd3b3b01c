import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  afterDelivery,
  afterDoubt,
  afterNothingSent,
  afterRefusal,
  beliefAbout,
  emptyShadow,
  reconcile,
} from "../../../bridge/delivery/shadow.ts";
import type { Packet } from "../../../bridge/model/packet.ts";
import type { Shadow } from "../../../bridge/model/shadow.ts";
import { compareVersions } from "../../../bridge/model/version.ts";
import type { JsonObject } from "../../../bridge/values/json.ts";
import { aKey, aPacket, aVersion, noon } from "../../support/builders.ts";

/** A target's record, and the shadow the bridge keeps of it. */
interface World {
  readonly held: JsonObject | undefined;
  readonly shadow: Shadow;
}

const shadowKey = { bridgeKey: aKey, epoch: 0 };
const nothingKnown: World = { held: undefined, shadow: emptyShadow };

/** Delivers a packet as the path does: reconcile, send the fields left, update the shadow. */
function deliver({ held, shadow }: World, packet: Packet): World {
  const left = reconcile(packet, shadow, shadowKey);
  if (left.kind === "SUPERSEDED") return { held, shadow: afterNothingSent(packet, shadow, shadowKey) };
  if (left.kind !== "send") return { held, shadow: afterDelivery(packet, shadow, shadowKey) };
  const action = left.action ?? packet.action;
  return {
    held: action === "delete" ? undefined : { ...held, ...left.fields },
    shadow: afterDelivery(packet, shadow, shadowKey, action),
  };
}

const fields = fc.dictionary(fc.constantFrom("a", "b", "c"), fc.constantFrom<unknown>(1, 2, null, "x"), {
  minKeys: 1,
  noNullPrototype: true,
});

const changes = fc.uniqueArray(fc.record({ time: fc.nat(20), sequence: fc.nat(20), fields }), {
  minLength: 1,
  maxLength: 6,
  selector: ({ sequence }) => sequence,
});

describe("shadow", () => {
  it.each(["toString", "valueOf", "hasOwnProperty"])("treats a field called %s as any other field", (name) => {
    const packet = aPacket({ fields: { [name]: 1 } });

    const { held, shadow } = deliver(nothingKnown, packet);

    expect(held).toEqual({ [name]: 1 });
    expect(reconcile(packet, shadow, shadowKey)).toEqual({ kind: "UNCHANGED" });
  });

  it.each([
    ["by sequence", true],
    ["by time", false],
  ])("reaches the newest value of each field for any permutation of up to six changes, %s", (_, counted) => {
    fc.assert(
      fc.property(changes, fc.infiniteStream(fc.nat()), (given, order) => {
        const packets = given.map((change, i) => upsert(i, change, counted));
        const newest = new Map<string, Packet>();
        for (const packet of packets) {
          for (const name of Object.keys(packet.fields)) {
            const known = newest.get(name);
            if (!known || compareVersions(known.version, packet.version) < 0) newest.set(name, packet);
          }
        }

        let world = nothingKnown;
        const seen = new Map<string, Packet>();
        for (const packet of shuffled(packets, order)) {
          const left = reconcile(packet, world.shadow, shadowKey);
          if (left.kind === "send") {
            for (const name of Object.keys(left.fields)) {
              const last = seen.get(name);
              if (last) expect(compareVersions(last.version, packet.version)).toBeLessThan(0);
              seen.set(name, packet);
            }
          }
          world = deliver(world, packet);
        }

        for (const [name, packet] of newest) expect(world.held?.[name]).toEqual(packet.fields[name]);
      }),
      { numRuns: 1_000 },
    );
  });

  it("reaches the same values for all permutations of six changes to overlapping fields", { tags: "row-9" }, () => {
    const packets = [{ a: 1 }, { b: 1, a: 2 }, { a: 1, c: 1 }, { b: 2 }, { a: 2, b: 2 }, { c: null, a: 1 }].map(
      (given, i) => aPacket({ fields: given, version: aVersion({ sequence: i, time: noon - i }) }),
    );

    for (const order of permutations(packets)) {
      expect(order.reduce(deliver, nothingKnown).held).toEqual({ a: 1, b: 2, c: null });
    }
  });

  it("lets a deletion win over older changes, and a newer change over the deletion", () => {
    const packets = [
      aPacket({ fields: { a: 1 }, version: aVersion({ sequence: 1 }) }),
      aPacket({ fields: { b: 1 }, version: aVersion({ sequence: 2 }) }),
      aPacket({ action: "delete", fields: {}, version: aVersion({ sequence: 3 }) }),
    ];
    const after = aPacket({ fields: { a: 9 }, version: aVersion({ sequence: 4 }) });

    for (const order of permutations(packets)) expect(order.reduce(deliver, nothingKnown).held).toBeUndefined();
    for (const order of permutations([...packets, after])) {
      const { held } = order.reduce(deliver, nothingKnown);
      expect([held?.a, held?.b ?? null]).toEqual([9, null]);
    }
  });

  it("clears what is older than a deletion that something newer overtook, and nothing else", () => {
    const at = (sequence: number) => ({ version: aVersion({ sequence }) });
    const removal = aPacket({ id: "pkt-d", action: "delete", fields: {}, ...at(2) });
    const overtaken = [
      aPacket({ id: "pkt-1", fields: { a: 1, b: 1, c: null }, ...at(1) }),
      aPacket({ id: "pkt-3", fields: { a: 3 }, ...at(3) }),
    ].reduce(deliver, nothingKnown);

    expect(reconcile(removal, overtaken.shadow, shadowKey)).toEqual({
      kind: "send",
      fields: { b: null },
      action: "upsert",
      send: "changed",
    });

    const cleared = deliver(overtaken, removal);
    expect(cleared.held).toEqual({ a: 3, b: null, c: null });
    expect(reconcile(removal, cleared.shadow, shadowKey)).toEqual({ kind: "SUPERSEDED" });
    const late = aPacket({
      id: "pkt-l",
      fields: { b: 9, unknown: 9 },
      version: aVersion({ sequence: 1, revision: 1 }),
    });
    expect(reconcile(late, cleared.shadow, shadowKey)).toEqual({ kind: "SUPERSEDED" });
    const next = aPacket({ id: "pkt-n", fields: { b: 4 }, ...at(4) });
    expect(reconcile(next, cleared.shadow, shadowKey)).toEqual({ kind: "send", fields: { b: 4 } });
  });

  it("does not trust newer values after a deletion was sent while they were being sent", () => {
    const newer = deliver(nothingKnown, aPacket({ fields: { a: 3 }, version: aVersion({ sequence: 3 }) }));
    const removal = aPacket({ action: "delete", fields: {}, version: aVersion({ sequence: 2 }) });

    const shadow = afterDelivery(removal, newer.shadow, shadowKey, "delete");

    expect(shadow.fields.a).not.toHaveProperty("hash");
    expect(shadow).toMatchObject({ deleted: removal.version, inDoubt: true });
  });

  it("sends a partly superseded full packet with the newer values of the other fields", () => {
    const part = aPacket({ id: "pkt-p", fields: { b: 2 }, version: aVersion({ sequence: 2 }) });
    const whole = aPacket({ id: "pkt-w", send: "full", fields: { a: 1, b: 1 }, version: aVersion({ sequence: 1 }) });
    const { shadow } = deliver(nothingKnown, part);

    expect(reconcile(whole, shadow, shadowKey)).toEqual({ kind: "blend", newer: new Map([["b", "pkt-p"]]) });
    const after = afterDelivery(whole, shadow, shadowKey);
    expect(after.fields).toMatchObject({ a: { version: whole.version, by: "pkt-w" }, b: shadow.fields.b });
    expect(reconcile(whole, after, shadowKey)).toEqual({ kind: "SUPERSEDED" });
  });

  it("decides nothing between two packets of one event with different values, unless one is a revision", () => {
    const one = aPacket({ id: "pkt-1", fields: { a: 1, b: 1 } });
    const other = aPacket({ id: "pkt-2", fields: { a: 2, b: 1 } });
    const { shadow } = deliver(nothingKnown, one);

    expect(reconcile(other, shadow, shadowKey)).toEqual({ kind: "tie", names: ["a"], by: "pkt-1" });
    expect(reconcile({ ...other, fields: { b: 1 } }, shadow, shadowKey)).toEqual({ kind: "UNCHANGED" });
    const revision = { ...other, version: aVersion({ revision: 1 }) };
    expect(reconcile(revision, shadow, shadowKey)).toEqual({ kind: "send", fields: { a: 2 } });
    expect(reconcile(one, afterDoubt(one, shadow, shadowKey), shadowKey)).toMatchObject({ kind: "UNCHANGED" });
  });

  it("decides a full packet as one unit", () => {
    const full = (sequence: number, given: JsonObject) =>
      aPacket({ send: "full", fields: given, version: aVersion({ sequence }) });
    const newer = [full(2, { a: 2, b: 2 })].reduce(deliver, nothingKnown);

    expect(reconcile(full(1, { a: 1, b: 2 }), newer.shadow, shadowKey)).toEqual({ kind: "SUPERSEDED" });
    expect(reconcile(full(3, { a: 2, b: 2 }), newer.shadow, shadowKey)).toEqual({ kind: "UNCHANGED" });
    expect(reconcile(full(3, { a: 2, b: 3 }), newer.shadow, shadowKey)).toEqual({
      kind: "send",
      fields: { a: 2, b: 3 },
    });
  });

  it("sends only the fields whose value the target does not hold", () => {
    const world = deliver(
      nothingKnown,
      aPacket({ fields: { a: 1, b: { x: [1, 2] } }, version: aVersion({ sequence: 1 }) }),
    );

    const left = reconcile(
      aPacket({ fields: { a: 2, b: { x: [1, 2] } }, version: aVersion({ sequence: 2 }) }),
      world.shadow,
      shadowKey,
    );

    expect(left).toEqual({ kind: "send", fields: { a: 2 } });
  });

  it("distinguishes values that look alike", () => {
    for (const [a, b] of [
      [1, "1"],
      [null, "null"],
      [true, "true"],
      [[], {}],
      ["", null],
      [0, false],
      [[1], 1],
    ] as const) {
      const world = deliver(nothingKnown, aPacket({ fields: { a } as JsonObject, version: aVersion({ sequence: 1 }) }));
      const left = reconcile(
        aPacket({ fields: { a: b } as JsonObject, version: aVersion({ sequence: 2 }) }),
        world.shadow,
        shadowKey,
      );
      expect(left.kind).toBe("send");
    }
  });

  it("drops the hash and takes the version of a field that may have landed", () => {
    const first = aPacket({ fields: { a: 1 }, version: aVersion({ sequence: 5 }) });
    const doubtful = aPacket({ fields: { a: 2 }, version: aVersion({ sequence: 6 }) });
    const { shadow } = deliver(nothingKnown, first);

    const doubted = afterDoubt(doubtful, shadow, shadowKey);

    expect(reconcile(aPacket({ fields: { a: 1 }, version: aVersion({ sequence: 7 }) }), doubted, shadowKey).kind).toBe(
      "send",
    );
    expect(reconcile(aPacket({ fields: { a: 1 }, version: aVersion({ sequence: 5 }) }), doubted, shadowKey).kind).toBe(
      "SUPERSEDED",
    );
    expect(reconcile(doubtful, doubted, shadowKey)).toEqual({ kind: "send", fields: { a: 2 } });
  });

  it("keeps the hash of a field that was not sent when the packet may have landed", () => {
    const { shadow } = deliver(nothingKnown, aPacket({ fields: { a: 1, b: 1 }, version: aVersion({ sequence: 1 }) }));
    const doubtful = aPacket({ fields: { a: 1, b: 2 }, version: aVersion({ sequence: 5 }) });

    const doubted = afterDoubt(doubtful, shadow, shadowKey);

    expect(reconcile(doubtful, doubted, shadowKey)).toEqual({ kind: "send", fields: { b: 2 } });
    const between = aPacket({ fields: { a: 9 }, version: aVersion({ sequence: 3 }) });
    expect(reconcile(between, doubted, shadowKey).kind).toBe("SUPERSEDED");
  });

  it("sends a deletion that may have landed again, and nothing older after it", () => {
    const deletion = aPacket({ action: "delete", fields: {}, version: aVersion({ sequence: 2 }) });

    for (const before of [nothingKnown, deliver(nothingKnown, aPacket({ version: aVersion({ sequence: 1 }) }))]) {
      const doubted = afterDoubt(deletion, before.shadow, shadowKey);

      expect(reconcile(deletion, doubted, shadowKey).kind).toBe("send");
      expect(reconcile(aPacket({ version: aVersion({ sequence: 1 }) }), doubted, shadowKey).kind).toBe("SUPERSEDED");
      expect(reconcile(aPacket({ version: aVersion({ sequence: 3 }) }), doubted, shadowKey).kind).toBe("send");
    }
  });

  it("lets an older packet go after a refusal", () => {
    const refusedOne = aPacket({ fields: { a: 2 }, version: aVersion({ sequence: 6 }) });
    const { shadow } = deliver(nothingKnown, aPacket({ fields: { a: 1 }, version: aVersion({ sequence: 1 }) }));

    const after = afterRefusal(refusedOne, shadow);

    const between = aPacket({ fields: { a: 1 }, version: aVersion({ sequence: 4 }) });
    expect(reconcile(between, after, shadowKey).kind).toBe("send");
  });

  it("sends a deletion again if an upsert may have recreated the record", () => {
    const gone = deliver(nothingKnown, aPacket({ action: "delete", fields: {}, version: aVersion({ sequence: 1 }) }));
    const again = aPacket({ action: "delete", fields: {}, version: aVersion({ sequence: 3 }) });
    const doubted = afterDoubt(
      aPacket({ fields: { a: 1 }, version: aVersion({ sequence: 2 }) }),
      gone.shadow,
      shadowKey,
    );

    expect(reconcile(again, gone.shadow, shadowKey).kind).toBe("UNCHANGED");
    expect(reconcile(again, doubted, shadowKey).kind).toBe("send");
  });

  it("sends a deletion of an unknown record, but none that is older than a field", () => {
    const deletion = aPacket({ action: "delete", fields: {}, version: aVersion({ sequence: 2 }) });
    const newer = deliver(nothingKnown, aPacket({ fields: { a: 1 }, version: aVersion({ sequence: 3 }) }));

    expect(reconcile(deletion, emptyShadow, shadowKey)).toEqual({ kind: "send", fields: {} });
    expect(reconcile(deletion, newer.shadow, shadowKey)).toEqual({ kind: "SUPERSEDED" });
  });

  it("keeps the value sent later if two packets have equal versions", () => {
    const version = aVersion({ sequence: 4 });
    const [one, other] = [aPacket({ fields: { a: 1 }, version }), aPacket({ fields: { a: 2 }, version })];

    const { shadow } = [one, other].reduce(deliver, nothingKnown);
    const doubted = afterDoubt(other, deliver(nothingKnown, one).shadow, shadowKey);

    expect(reconcile(other, shadow, shadowKey)).toEqual({ kind: "UNCHANGED" });
    expect(reconcile(one, shadow, shadowKey)).toEqual({ kind: "send", fields: { a: 1 } });
    expect(reconcile(one, doubted, shadowKey)).toEqual({ kind: "send", fields: { a: 1 } });
  });

  it("keeps newer fields and other fields when a packet may have landed", () => {
    const newer = aPacket({ fields: { a: 5, b: 5 }, version: aVersion({ sequence: 5 }) });
    const { shadow } = deliver(nothingKnown, newer);

    const doubted = afterDoubt(aPacket({ fields: { a: 1 }, version: aVersion({ sequence: 1 }) }), shadow, shadowKey);
    const doubtful = afterDoubt(aPacket({ fields: { a: 6 }, version: aVersion({ sequence: 6 }) }), shadow, shadowKey);

    expect(doubted).toEqual(shadow);
    expect(doubtful.fields.b).toEqual(shadow.fields.b);
  });

  it("keeps a newer deletion when an older one may have landed", () => {
    const deletion = (sequence: number) => aPacket({ action: "delete", fields: {}, version: aVersion({ sequence }) });
    const { shadow } = deliver(nothingKnown, deletion(5));

    const doubted = afterDoubt(deletion(2), shadow, shadowKey);

    expect(doubted.deleted).toEqual(shadow.deleted);
    expect(reconcile(aPacket({ version: aVersion({ sequence: 4 }) }), doubted, shadowKey).kind).toBe("SUPERSEDED");
  });

  it("drops the hashes of all fields when a full packet may have landed", () => {
    const { shadow } = deliver(nothingKnown, aPacket({ fields: { a: 1, b: 1 }, version: aVersion({ sequence: 1 }) }));
    const full = aPacket({ send: "full", fields: { a: 1, b: 2 }, version: aVersion({ sequence: 2 }) });

    const doubted = afterDoubt(full, shadow, shadowKey);

    const again = aPacket({ fields: { a: 1, b: 2 }, version: aVersion({ sequence: 3 }) });
    expect(reconcile(again, doubted, shadowKey)).toEqual({ kind: "send", fields: { a: 1, b: 2 } });
  });

  it("drops the hashes of refused fields, and no others", () => {
    const { shadow } = deliver(nothingKnown, aPacket({ fields: { a: 1, b: 1 }, version: aVersion({ sequence: 1 }) }));

    const after = afterRefusal(aPacket({ fields: { a: 2, c: 2 }, version: aVersion({ sequence: 2 }) }), shadow);

    const { hash: _, ...a } = shadow.fields.a ?? {};
    expect(after.fields).toStrictEqual({ a, b: shadow.fields.b });
  });

  it("sends every field, and the deletion, again after a refused deletion", () => {
    const version = aVersion({ sequence: 1 });
    const { shadow } = deliver(nothingKnown, aPacket({ fields: { a: 1, b: 1 }, version }));
    const refusedOne = aPacket({ action: "delete", fields: {}, version: aVersion({ sequence: 2 }) });

    const field = { version, by: aPacket().id };
    expect(afterRefusal(refusedOne, shadow)).toStrictEqual({ fields: { a: field, b: field } });
    const gone = deliver(nothingKnown, refusedOne).shadow;
    expect(reconcile({ ...refusedOne, version: aVersion({ sequence: 3 }) }, gone, shadowKey).kind).toBe("UNCHANGED");
    expect(
      reconcile({ ...refusedOne, version: aVersion({ sequence: 3 }) }, afterRefusal(refusedOne, gone), shadowKey).kind,
    ).toBe("send");
  });

  it("updates the version only of fields that hold the packet's value when nothing is sent", () => {
    const shadow = [
      aPacket({ fields: { a: 1, b: 1 }, version: aVersion({ sequence: 1 }) }),
      aPacket({ fields: { c: 3 }, version: aVersion({ sequence: 9 }) }),
    ].reduce(deliver, nothingKnown).shadow;
    const version = aVersion({ sequence: 5 });
    const superseded = aPacket({ send: "full", fields: { a: 1, b: 2, c: 2 }, version });

    const updated = afterNothingSent(superseded, shadow, shadowKey);

    expect(updated.fields).toStrictEqual({ ...shadow.fields, a: { ...shadow.fields.a, version } });
    expect(afterNothingSent({ ...superseded, fields: { a: 1 } }, updated, shadowKey)).toBe(updated);
  });

  it("reports whether a field holds this value, another, or an unknown one", () => {
    const packet = aPacket({ fields: { a: 1, b: 1, c: 1 }, version: aVersion({ sequence: 2 }) });
    const { shadow } = deliver(nothingKnown, aPacket({ fields: { a: 1, b: 2 }, version: aVersion({ sequence: 1 }) }));

    const beliefs = ["a", "b", "c"].map((name) => beliefAbout(packet, name, shadow, shadowKey));

    expect(beliefs).toEqual(["this", "another", "unknown"]);
  });

  it("matches no earlier hash after an operator forgets a connector's shadows", () => {
    const packet = aPacket({ fields: { a: 1 } });
    const { shadow } = deliver(nothingKnown, packet);

    expect(reconcile(packet, shadow, shadowKey).kind).toBe("UNCHANGED");
    expect(reconcile(packet, shadow, { ...shadowKey, epoch: 1 }).kind).toBe("send");
    expect(reconcile(packet, shadow, shadowKey).kind).toBe("UNCHANGED");
  });

  it("matches the hashes of earlier releases, so an upgrade sends nothing again", () => {
    const packet = aPacket({ fields: { dailyRate: 68 } });
    const hashes = [0, 1].map(
      (epoch) => afterDelivery(packet, emptyShadow, { bridgeKey: aKey, epoch }).fields.dailyRate?.hash,
    );

    expect(hashes).toEqual(["ebxcbvk2sqq5yqoqsao2rdcq35", "s24hzqhc2rrxbn6q6jlthyvvct"]);
  });

  it("holds keyed hashes and no values", () => {
    const { shadow } = deliver(nothingKnown, aPacket({ fields: { ssn: "123-45-6789" } }));

    expect(JSON.stringify(shadow)).not.toContain("6789");
  });
});

function upsert(
  i: number,
  change: { time: number; sequence: number; fields: Record<string, unknown> },
  counted: boolean,
) {
  const time = noon + (counted ? change.time : change.sequence) * 1_000;
  return aPacket({
    id: `pkt-${i}`,
    fields: change.fields as JsonObject,
    version: aVersion({ time, accepted: noon * 1_000 + i, ...(counted && { sequence: change.sequence }) }),
  });
}

function shuffled<T>(items: readonly T[], order: IterableIterator<number>): T[] {
  const left = [...items];
  const out: T[] = [];
  while (left.length > 0) out.push(...left.splice((order.next().value as number) % left.length, 1));
  return out;
}

function* permutations<T>(items: readonly T[]): Generator<T[]> {
  if (items.length === 0) yield [];
  for (const [i, item] of items.entries()) {
    for (const rest of permutations(items.toSpliced(i, 1))) yield [item, ...rest];
  }
}
