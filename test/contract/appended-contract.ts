import { describe, expect, it } from "vitest";
import { append, tailOf } from "../../bridge/ledger/chain.ts";
import type { LedgerEntry } from "../../bridge/model/ledger-entry.ts";
import type { AppendedPort } from "../../bridge/ports/seals.ts";
import { noon } from "../support/builders.ts";

export interface AppendedFixture extends AsyncDisposable {
  readonly port: AppendedPort;
  /** Appends to the ledger as the engine does, and lets it show up. */
  append(entries: readonly LedgerEntry[]): Promise<void>;
}

/** What every engine's order of appending keeps. */
export function appendedContract(engine: string, makeFixture: () => Promise<AppendedFixture>): void {
  describe(`the order of appending on ${engine}`, () => {
    it("is what was written, whatever the chains, slice after slice, each entry once", async () => {
      await using fixture = await makeFixture();
      const written: LedgerEntry[] = [];
      for (let i = 0; i < 6; i++) {
        const batch = [anEntry(`evt-${i}`), anEntry(`evt-a${i}`), anEntry(`evt-b${i}`)];
        await fixture.append(batch);
        written.push(...batch);
      }

      expect(await readAll(fixture.port, 4)).toEqual(written);
      expect(await readAll(fixture.port, 1_000)).toEqual(written);
    });

    it("goes on from any position with what came after it", async () => {
      await using fixture = await makeFixture();
      const { port } = fixture;
      await fixture.append([anEntry("evt-1")]);
      const first = await port.read("", 10);
      const nothing = await port.read(first.to, 10);
      const later = anEntry("evt-2");
      await fixture.append([later]);

      expect(nothing).toEqual({ entries: [], to: first.to });
      expect((await port.read(first.to, 10)).entries).toEqual([later]);
    });

    it("is empty at first", async () => {
      await using fixture = await makeFixture();

      expect(await fixture.port.read("", 10)).toEqual({ entries: [], to: "" });
    });
  });
}

export function anEntry(chain: string, after?: LedgerEntry): LedgerEntry {
  const last = after && { tail: tailOf(after), step: after.step };
  return append(chain, last, { at: noon, step: after ? "DUPLICATE" : "UNMATCHED", facts: {} });
}

async function readAll(port: AppendedPort, limit: number): Promise<LedgerEntry[]> {
  const all: LedgerEntry[] = [];
  let after = "";
  for (;;) {
    const { entries, to } = await port.read(after, limit);
    if (to === after) return all;
    all.push(...entries);
    after = to;
  }
}
