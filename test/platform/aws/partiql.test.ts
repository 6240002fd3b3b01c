import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { EventRecord } from "../../../bridge/model/event-record.ts";
import type { Put } from "../../../bridge/ports/store.ts";
import { pieceBytes, weigh } from "../../../bridge/recording/transaction-size.ts";
import { pieceKeys, putStatements } from "../../../platform/aws/partiql.ts";
import { aBeginning, anEvent } from "../../support/builders.ts";

/** Generates texts of up to about 700,000 bytes, with characters of one to four bytes. */
const text = fc
  .tuple(fc.constantFrom("x", "é", "€", "😀"), fc.nat(700_000), fc.string({ unit: "binary", maxLength: 5 }))
  .map(([unit, bytes, odd]) => odd + unit.repeat(bytes / Buffer.byteLength(unit)));

describe("statements of a put", () => {
  it("their number never exceeds the weight of the put", () => {
    fc.assert(
      fc.property(text, fc.boolean(), fc.boolean(), fc.nat(1), (note, strict, unsent, etag) => {
        const { record } = aBeginning({ fields: { note }, order: strict ? "strict" : "latest" }, 1, { unsent });
        const packet: Put = { kind: "packet", id: record.packet.id, value: record, etag };
        const event: Put = { kind: "event", id: "evt-1", value: anEventRecord(note), etag };

        for (const put of [packet, event]) {
          expect(putStatements("t", put).length).toBeLessThanOrEqual(weigh([put]).changes);
        }
      }),
      { numRuns: 60 },
    );
  });

  it("a large body is split into pieces that fit an item and join to the original", () => {
    fc.assert(
      fc.property(text, (note) => {
        const value = anEventRecord(note);
        const statements = putStatements("t", { kind: "event", id: "evt-1", value, etag: 0 });
        const items = statements.map(({ Statement, Parameters }) => {
          const names = [...Statement.matchAll(/'(\w+)': \?/g)].map(([, name]) => name as string);
          return Object.fromEntries(names.map((name, i) => [name, Parameters[i]]));
        });
        const [record] = items;
        const pieces = record?.pieces === undefined ? [] : pieceKeys(record);
        const texts = pieces.map(({ sk }) => items.find((item) => item.sk === sk)?.text as string);

        expect(JSON.parse(record?.pieces === undefined ? (record?.body as string) : texts.join(""))).toEqual(
          value.event,
        );
        for (const piece of texts) {
          expect(Buffer.byteLength(piece)).toBeLessThanOrEqual(pieceBytes);
          expect(piece.isWellFormed()).toBe(true);
        }
      }),
      { numRuns: 60 },
    );
  });
});

function anEventRecord(note: string): EventRecord {
  return {
    status: "EXPANDED",
    accepted: 1,
    event: anEvent({ data: { note } }),
    sheets: [],
    packets: 0,
    message: "m",
    duplicates: 0,
    step: "EXPANDED",
    tail: { seq: 1, hash: "0".repeat(64) },
  };
}
