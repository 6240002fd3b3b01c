import { hash } from "node:crypto";
import canonicalize from "canonicalize";
import { describe, expect, it } from "vitest";
import { append, tailOf, verifyChain } from "../../../bridge/ledger/chain.ts";
import {
  closedStatuses,
  isClosed,
  type LedgerEntry,
  openStatuses,
  type Step,
  type Tail,
} from "../../../bridge/model/ledger-entry.ts";

describe("a ledger chain", { tags: "row-33" }, () => {
  it("verifies from its first entry to its tail", () => {
    const { entries, tail } = aChain();

    expect(verifyChain("pkt-a", entries, tail)).toBeUndefined();
    expect(entries.map(({ seq }) => seq)).toEqual([1, 2, 3, 4]);
    expect(entries[0]?.prev).toBe("0".repeat(64));
  });

  it("reveals any changed byte and names the entry", () => {
    const { entries, tail } = aChain();
    const missed: string[] = [];

    for (const [i, entry] of entries.entries()) {
      const text = JSON.stringify(entry);
      for (let at = 0; at < text.length; at++) {
        const flipped = flip(text, at);
        if (!flipped) continue;
        const fault = verifyChain("pkt-a", entries.with(i, flipped), tail);
        if (!fault || fault.seq < i + 1 || fault.seq > i + 2) missed.push(`${i} at ${at}: ${JSON.stringify(fault)}`);
      }
    }

    expect(missed).toEqual([]);
  });

  it.each([0, 1, 2, 3])("reveals that entry %i was removed", (i) => {
    const { entries, tail } = aChain();

    const fault = verifyChain("pkt-a", entries.toSpliced(i, 1), tail);

    const message = i === 3 ? "the last entry is missing" : `entry ${i + 1} is missing`;
    expect(fault).toEqual({ chain: "pkt-a", seq: i + 1, message });
  });

  it("reveals a removed tail, a removed chain and an added entry", () => {
    const { entries, tail } = aChain();
    const last = entries.at(-1) as LedgerEntry;
    const more = append("pkt-a", { tail: tailOf(last), step: "RETRY" }, { at: 9, step: "RETRY", facts: {} });

    expect(verifyChain("pkt-a", entries.slice(0, 2), tail)).toMatchObject({
      seq: 3,
      message: "the last 2 entries are missing",
    });
    expect(verifyChain("pkt-a", [], tail)).toMatchObject({ seq: 1 });
    expect(verifyChain("pkt-a", [...entries, more], tail)).toMatchObject({
      seq: 5,
      message: "is after the end of the chain",
    });
  });

  it("reveals swapped and inserted entries", () => {
    const { entries, tail } = aChain();
    const [a, b, c, d] = entries as [LedgerEntry, LedgerEntry, LedgerEntry, LedgerEntry];

    expect(verifyChain("pkt-a", [a, c, b, d], tail)).toMatchObject({ seq: 2 });
    expect(verifyChain("pkt-a", [a, b, b, c, d], tail)).toMatchObject({ seq: 3 });
  });

  it("reveals a changed entry whose hash was recomputed", () => {
    const { entries, tail } = aChain();
    const [a, b] = entries as [LedgerEntry, LedgerEntry];
    const forged = append("pkt-a", { tail: tailOf(a), step: "QUEUED" }, { at: b.at, step: "SUPERSEDED", facts: {} });

    expect(verifyChain("pkt-a", entries.with(1, forged), tail)).toMatchObject({ seq: 3 });
    // Even where every step stays one that may be taken.
    const other = append("pkt-a", { tail: tailOf(a), step: "QUEUED" }, { at: b.at, step: b.step, facts: {} });
    expect(verifyChain("pkt-a", entries.with(1, other), tail)).toEqual({
      chain: "pkt-a",
      seq: 3,
      message: "does not follow from the entry before it",
    });
  });

  it("reveals a completely rewritten chain by the tail in the record", () => {
    const { entries, tail } = aChain();
    const forged: LedgerEntry[] = [];
    for (const { at, step } of entries) {
      const last = forged.at(-1);
      forged.push(
        append("pkt-a", last && { tail: tailOf(last), step: last.step }, { at, step, facts: { forged: true } }),
      );
    }

    expect(verifyChain("pkt-a", forged, tail)).toMatchObject({
      seq: 4,
      message: "is not the last entry according to the packet's record",
    });
  });

  it("reports that an entry was changed", () => {
    const { entries, tail } = aChain();
    const [, b] = entries as [LedgerEntry, LedgerEntry];

    expect(verifyChain("pkt-a", entries.with(1, { ...b, facts: { tries: 9 } }), tail)).toEqual({
      chain: "pkt-a",
      seq: 2,
      message: "was changed after it was written",
    });
  });

  it("reveals entries of another chain", () => {
    const { entries, tail } = aChain();

    expect(verifyChain("pkt-b", entries, tail)).toMatchObject({ message: "the entry belongs to pkt-a" });
  });

  it.each([
    [["QUEUED", "SENT", "RETRY"], "SENT cannot become RETRY"],
    [["QUEUED", "NOWHERE", "QUEUED"], "QUEUED cannot become NOWHERE"],
    [["SENT"], "NEW cannot become SENT"],
  ])("rejects illegal steps even if their hashes are valid: %j", (steps, message) => {
    const entries: LedgerEntry[] = [];
    for (const step of steps as Step[]) {
      const prev = entries.at(-1)?.hash ?? "0".repeat(64);
      const body = { chain: "pkt-a", seq: entries.length + 1, at: 1, step, facts: {}, prev };
      entries.push({ ...body, hash: hash("sha256", canonicalize(body) as string) });
    }

    expect(verifyChain("pkt-a", entries, tailOf(entries.at(-1) as LedgerEntry))).toMatchObject({ message });
  });
});

/** The steps that may follow each step of a packet or an event. */
const open: readonly Step[] = ["QUEUED", "RETRY", "HELD", "SENT", "UNCHANGED", "SUPERSEDED", "DISCARDED"];
const ways: Readonly<Record<Step | "NEW", readonly Step[]>> = {
  NEW: ["QUEUED", "HELD", "EXPANDING", "EXPANDED", "UNMATCHED", "QUARANTINED", "NOTED"],
  QUEUED: open,
  RETRY: open,
  // Only a person lets it go, replaces it or gives it up; it was never sent by itself.
  HELD: ["QUEUED", "SUPERSEDED", "DISCARDED"],
  SENT: ["ERASED"],
  UNCHANGED: ["ERASED"],
  SUPERSEDED: ["ERASED"],
  DISCARDED: ["ERASED"],
  EXPANDING: ["EXPANDED", "DUPLICATE"],
  EXPANDED: ["DUPLICATE", "ERASED"],
  UNMATCHED: ["DUPLICATE", "ERASED"],
  QUARANTINED: ["DUPLICATE", "ERASED"],
  NOTED: [],
  DUPLICATE: ["EXPANDED", "DUPLICATE", "ERASED"],
  ERASED: ["DUPLICATE"],
};
const everyStep = Object.keys(ways).filter((step) => step !== "NEW") as Step[];

describe("a ledger step", { tags: "row-33" }, () => {
  it.each(Object.keys(ways) as (Step | "NEW")[])("allows only the legal steps after %s", (from) => {
    const last = from === "NEW" ? undefined : { tail: { seq: 1, hash: "0".repeat(64) }, step: from };

    for (const step of everyStep) {
      const take = () => append("x", last, { at: 1, step, facts: {} });
      if (ways[from].includes(step)) expect(take().step).toBe(step);
      else expect(take).toThrow(`x cannot go from ${from} to ${step}`);
    }
  });

  it.each(closedStatuses)("allows nothing but erasure after the closed status %s", (from) => {
    expect(isClosed(from)).toBe(true);
    expect(ways[from]).toEqual(["ERASED"]);
  });

  it.each(openStatuses)("allows further steps after the open status %s", (from) => {
    expect(isClosed(from)).toBe(false);
    expect(ways[from]).not.toEqual([]);
  });
});

function aChain(): { entries: LedgerEntry[]; tail: Tail } {
  const entries: LedgerEntry[] = [];
  for (const step of ["QUEUED", "RETRY", "QUEUED", "RETRY"] as const) {
    const last = entries.at(-1);
    const before = last && { tail: tailOf(last), step: last.step };
    entries.push(
      append("pkt-a", before, { at: 1_000 + entries.length, step, facts: { tries: entries.length, why: "é" } }),
    );
  }
  return { entries, tail: tailOf(entries.at(-1) as LedgerEntry) };
}

/** One bit changed, where the text still is an entry afterwards. */
function flip(text: string, at: number): LedgerEntry | undefined {
  const flipped = text.slice(0, at) + String.fromCharCode(text.charCodeAt(at) ^ 1) + text.slice(at + 1);
  try {
    const value = JSON.parse(flipped) as LedgerEntry;
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
