import { describe, expect, it } from "vitest";
import {
  append,
  closedStatuses,
  type LedgerEntry,
  type Step,
  type Tail,
  tailOf,
  verifyChain,
} from "../../bridge/ledger.ts";

describe("a chain", () => {
  it("holds together from its first entry to its tail", () => {
    const { entries, tail } = aChain();

    expect(verifyChain("pkt-a", entries, tail)).toBeUndefined();
    expect(entries.map(({ seq }) => seq)).toEqual([1, 2, 3, 4]);
    expect(entries[0]?.prev).toBe("0".repeat(64));
  });

  it("shows a flip of any byte of any entry, and at which entry", () => {
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

  it.each([0, 1, 2, 3])("shows that entry %i was taken out", (i) => {
    const { entries, tail } = aChain();

    const fault = verifyChain("pkt-a", entries.toSpliced(i, 1), tail);

    expect(fault).toMatchObject({ chain: "pkt-a", seq: i + 1 });
    expect(fault?.message).toMatch(/missing/);
  });

  it("shows that its tail was cut, that it was emptied, and that it was lengthened", () => {
    const { entries, tail } = aChain();
    const last = entries.at(-1) as LedgerEntry;
    const more = append("pkt-a", { tail: tailOf(last), step: "RETRY" }, { at: 9, step: "RETRY", facts: {} });

    expect(verifyChain("pkt-a", entries.slice(0, 2), tail)).toMatchObject({
      seq: 3,
      message: "the last 2 entries are missing",
    });
    expect(verifyChain("pkt-a", [], tail)).toMatchObject({ seq: 1 });
    expect(verifyChain("pkt-a", [...entries, more], tail)).toMatchObject({ seq: 5 });
  });

  it("shows two entries that changed places, and one put in between", () => {
    const { entries, tail } = aChain();
    const [a, b, c, d] = entries as [LedgerEntry, LedgerEntry, LedgerEntry, LedgerEntry];

    expect(verifyChain("pkt-a", [a, c, b, d], tail)).toMatchObject({ seq: 2 });
    expect(verifyChain("pkt-a", [a, b, b, c, d], tail)).toMatchObject({ seq: 3 });
  });

  it("shows an entry that was changed with its hash made anew", () => {
    const { entries, tail } = aChain();
    const [a, b] = entries as [LedgerEntry, LedgerEntry];
    const forged = append("pkt-a", { tail: tailOf(a), step: "QUEUED" }, { at: b.at, step: "SUPERSEDED", facts: {} });

    expect(verifyChain("pkt-a", entries.with(1, forged), tail)).toMatchObject({ seq: 3 });
  });

  it("shows a chain rewritten whole, because the record knows its tail", () => {
    const { entries, tail } = aChain();
    const forged: LedgerEntry[] = [];
    for (const { at, step } of entries) {
      const last = forged.at(-1);
      forged.push(
        append("pkt-a", last && { tail: tailOf(last), step: last.step }, { at, step, facts: { forged: true } }),
      );
    }

    expect(verifyChain("pkt-a", forged, tail)).toMatchObject({ seq: 4 });
  });

  it("shows entries of another chain, and steps nobody may take", () => {
    const { entries, tail } = aChain();
    const queued = append("pkt-b", undefined, { at: 1, step: "QUEUED", facts: {} });

    expect(verifyChain("pkt-b", entries, tail)).toMatchObject({ message: "the entry belongs to pkt-a" });
    expect(verifyChain("pkt-b", [{ ...queued, step: "NOWHERE" as Step }], tailOf(queued))).toMatchObject({ seq: 1 });
  });
});

describe("a step", () => {
  it.each(
    closedStatuses.flatMap((from) =>
      (["QUEUED", "RETRY", "HELD", ...closedStatuses] as const).map((to) => [from, to] as const),
    ),
  )("never leads from %s to %s", (from, to) => {
    const tail = { seq: 1, hash: "0".repeat(64) };

    expect(() => append("pkt-a", { tail, step: from }, { at: 1, step: to, facts: {} })).toThrow(
      `pkt-a cannot go from ${from} to ${to}`,
    );
  });

  it.each([
    ["HELD", "SENT"],
    ["HELD", "RETRY"],
    ["HELD", "UNCHANGED"],
    ["QUEUED", "EXPANDED"],
    ["EXPANDED", "EXPANDING"],
    ["UNMATCHED", "EXPANDED"],
    ["QUARANTINED", "QUEUED"],
  ] as const)("never leads from %s to %s", (from, to) => {
    const tail = { seq: 1, hash: "0".repeat(64) };

    expect(() => append("x", { tail, step: from }, { at: 1, step: to, facts: {} })).toThrow(/cannot go/);
  });

  it.each(["RETRY", "SENT", "UNCHANGED", "SUPERSEDED", "DISCARDED", "DUPLICATE"] as const)(
    "never begins with %s",
    (step) => {
      expect(() => append("x", undefined, { at: 1, step, facts: {} })).toThrow(`from NEW to ${step}`);
    },
  );
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
