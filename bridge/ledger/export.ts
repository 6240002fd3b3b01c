import type { AppendedPort } from "../ports/seals.ts";
import { lineOf, openSeal } from "./seal.ts";
import { type Evidence, firstSealSince } from "./sealed-entries.ts";

/** What is read at a time. */
const slice = 1_000;

/**
 * The ledger as lines of JSON, for somebody who has nothing of ours.
 *
 * Entries in the order they were appended, each as it was hashed; and after the last entry a seal lists, the seal:
 * `{"seal": "<the statement, as it was signed>", "signature": "<base64>"}`. At the end stand the entries no seal covers
 * yet. What is written is what stands there, be it good or not.
 *
 * @param since ms: from the first seal made since then
 */
export async function* exportLedger({ seals, appended }: Evidence, since?: number): AsyncGenerator<string> {
  const first = since === undefined ? 1 : await firstSealSince(seals, since);
  let after = "";
  for await (const { number, text } of seals.from(Math.max(1, first - 1))) {
    const seal = openSeal(text);
    if (!seal) throw new Error(`seal ${number} cannot be read as a seal; "bridge ledger verify" says more`);
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
