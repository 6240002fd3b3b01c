import { describe, expect, it } from "vitest";
import { append, tailOf } from "../../bridge/ledger/chain.ts";
import type { LedgerEntry } from "../../bridge/model/ledger-entry.ts";
import type { AppendedPort } from "../../bridge/ports/seals.ts";
import { noon } from "../support/builders.ts";

export interface AppendedFixture extends AsyncDisposable {
  readonly port: AppendedPort;
  /** Appends to the ledger as the engine does, and returns once the entries can be read. */
  append(entries: readonly LedgerEntry[]): Promise<void>;
}

/** Checks that an engine's ledger can be read in the order in which its entries were appended. */
export function appendedContract(engine: string, makeFixture: () => Promise<AppendedFixture>): void {
  describe(`append order of ${engine}`, () => {
    it("returns the entries of all chains page by page in the order written, each exactly once", async () => {
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

    it("continues from any position with the entries appended after it", async () => {
      await using fixture = await makeFixture();
      const { port } = fixture;
      await fixture.append([anEntry("evt-1")]);
      const first = await port.read("", 10);
      const atEnd = await port.read(first.to, 10);
      const later = anEntry("evt-2");
      await fixture.append([later]);

      expect(atEnd).toEqual({ entries: [], to: first.to });
      expect((await port.read(first.to, 10)).entries).toEqual([later]);
    });

    it("returns no entries from an empty ledger", async () => {
      await using fixture = await makeFixture();

      expect(await fixture.port.read("", 10)).toEqual({ entries: [], to: "" });
    });
  });
}

export function anEntry(chain: string, previous?: LedgerEntry): LedgerEntry {
  const head = previous && { tail: tailOf(previous), step: previous.step };
  return append(chain, head, { at: noon, step: previous ? "DUPLICATE" : "UNMATCHED", facts: {} });
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
