import type { AppendedPort } from "../ports/seals.ts";
import { lineOf, openSeal } from "./seal.ts";
import { type Evidence, firstSealSince } from "./sealed-entries.ts";

/** Entries per read. */
const slice = 1_000;

/**
 * Exports the ledger as lines of JSON that can be verified without the bridge.
 *
 * Entries are in the order they were appended, each in the form that was hashed. Each seal follows the last entry it
 * lists: `{"seal": "<the statement that was signed>", "signature": "<base64>"}`. Entries that no seal covers yet are at
 * the end. The export does not verify anything.
 *
 * @param since start with the first seal created at or after this time, in ms since the epoch
 * @throws if a seal cannot be parsed
 */
export async function* exportLedger({ seals, appended }: Evidence, since?: number): AsyncGenerator<string> {
  const first = since === undefined ? 1 : await firstSealSince(seals, since);
  let after = "";
  for await (const { number, text } of seals.from(Math.max(1, first - 1))) {
    const seal = openSeal(text);
    if (!seal) throw new Error(`seal ${number} is malformed; run "bridge ledger verify" for details`);
    if (number >= first) {
      yield* entriesAfter(appended, after, seal.statement.entries);
      yield JSON.stringify({ seal: seal.signed, signature: seal.signature });
    }
    after = seal.statement.to;
  }
  yield* entriesAfter(appended, after, Number.POSITIVE_INFINITY);
}

async function* entriesAfter(appended: AppendedPort, after: string, count: number): AsyncGenerator<string> {
  for (let left = count; left > 0; ) {
    const { entries, to } = await appended.read(after, Math.min(slice, left));
    if (to === after) return;
    for (const entry of entries) {
      if (left <= 0 || lineOf(entry) === undefined) continue;
      left--;
      yield JSON.stringify(entry);
    }
    after = to;
  }
}
