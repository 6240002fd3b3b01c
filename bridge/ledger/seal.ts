import { hash, type KeyObject, verify } from "node:crypto";
import * as z from "zod";
import type { Clock } from "../ports/clock.ts";
import type { AppendedPort, SealsPort } from "../ports/seals.ts";

/** Signed statement of a seal: JSON on one line. The signature covers the bytes of that line. */
const statementSchema = z.strictObject({
  /** 1, 2, 3 … without a gap. */
  seal: z.int().positive(),
  /** Creation time, RFC 3339. Informational only: the numbers define the order. */
  at: z.iso.datetime(),
  /** Number of lines in the list. */
  entries: z.int().nonnegative(),
  /** SHA-256 of the list. */
  list: z.string().regex(/^[0-9a-f]{64}$/),
  /** SHA-256 of the previous seal's statement, or 64 zeros. */
  prev: z.string().regex(/^[0-9a-f]{64}$/),
  /** Position in the append order at which the seal ends; its format depends on the engine. */
  to: z.string(),
  /** SHA-256 of the public key it is signed with (DER, SPKI). */
  key: z.string().regex(/^[0-9a-f]{64}$/),
});

export type Statement = z.output<typeof statementSchema>;

/**
 * A signed list of ledger entries, stored where the operator of the ledger cannot change it.
 *
 * As text: the statement, the signature in base64, then a line `chain seq hash` for each entry that was appended since
 * the previous seal. `openssl`, `sha256sum` and a shell are enough to check it.
 */
export interface Seal {
  readonly statement: Statement;
  /** SHA-256 of the statement's line, to which the next seal is chained. */
  readonly hash: string;
  readonly signed: string;
  readonly signature: string;
  readonly list: string;
}

/** One line of a seal's list. */
export interface Sealed {
  readonly chain: string;
  readonly seq: number;
  readonly hash: string;
}

/** Signs with ECDSA on P-256 and SHA-256, DER-encoded, as AWS KMS and openssl do. */
export interface Signer {
  /** Name of its public key, as in a statement. */
  readonly key: string;
  /** @returns the signature in base64 */
  sign(text: string): Promise<string>;
}

/** Returns the name of a public key as used in statements: its SHA-256 (DER, SPKI). */
export function keyNameOf(publicKey: KeyObject): string {
  return hash("sha256", publicKey.export({ type: "spki", format: "der" }));
}

const noSeal = "0".repeat(64);

/** Number of entries after which a seal is closed, about 1 MB. The next seal follows at once. */
const maxEntries = 10_000;
/** Entries per read, small enough that deliveries continue in between. */
const sliceEntries = 500;

export interface Sealer {
  readonly appended: AppendedPort;
  readonly seals: SealsPort;
  readonly signer: Signer;
  readonly clock: Pick<Clock, "now">;
}

/** Seals that one run created. */
export interface CreatedSeals {
  readonly seals: number;
  /** Entries listed by these seals together. */
  readonly entries: number;
}

/**
 * Seals everything that was appended since the previous seal. Creates no seal if nothing was appended.
 *
 * A crash at any point leaves only complete seals, and the next run continues after the newest: no entry is sealed
 * twice or left out. If several processes seal at once, one creates the next seal and the others stop.
 *
 * @throws if the newest seal is invalid, missing, or lists entries that the store does not have
 */
export async function sealLedger({ appended, seals, signer, clock }: Sealer): Promise<CreatedSeals> {
  const created = { seals: 0, entries: 0 };
  let last = await lastSeal(seals);
  if (last) await assertHasEntriesOf(last, appended, seals);
  for (;;) {
    const { list, entries, to } = await listAppended(appended, last?.statement.to ?? "");
    if (entries === 0) return created;
    const number = (last?.statement.seal ?? 0) + 1;
    const at = new Date(clock.now()).toISOString();
    const prev = last?.hash ?? noSeal;
    const statement: Statement = { seal: number, at, entries, list: hash("sha256", list), prev, to, key: signer.key };
    const signed = JSON.stringify(statement);
    const text = `${signed}\n${await signer.sign(signed)}\n${list}`;
    if ((await seals.add(number, text)) === "taken") return created;
    created.seals++;
    created.entries += entries;
    last = openSeal(text);
  }
}

async function lastSeal(seals: SealsPort): Promise<Seal | undefined> {
  const [found, remembered] = await Promise.all([seals.last(), seals.remembered?.()]);
  const last = found && openSeal(found.text);
  if (found && last?.statement.seal !== found.number)
    throw new Error(
      `seal ${found.number} is invalid, so no seal can follow it; run "bridge ledger verify" for details`,
    );
  if ((remembered?.number ?? 0) > (found?.number ?? 0)) {
    throw new Error(
      `seal ${remembered?.number} was created but is missing; restore it, or configure the folder it is in`,
    );
  }
  return last;
}

/**
 * Checks that the store has the last entry of the newest seal. A store that was restored from an older backup gives the
 * positions of its missing entries to new ones, which would then never be sealed.
 */
async function assertHasEntriesOf(last: Seal, appended: AppendedPort, seals: SealsPort): Promise<void> {
  if (!appended.lastBefore) return;
  const entry = await appended.lastBefore(last.statement.to);
  // A malformed entry is in no seal. Verifying its chain reports it.
  const line = entry && (lineOf(entry) ?? "");
  if (line !== undefined && last.list.endsWith(line)) return;
  const known = (await seals.remembered?.())?.number ?? 0;
  const copies = known > 0 ? `that has copies of the public key and of the seals up to ${known}` : "that is empty";
  throw new Error(
    `seal ${last.statement.seal} lists entries that this store does not have, as after a restore from an older backup; keep the seals, and configure another folder ${copies}`,
  );
}

async function listAppended(
  appended: AppendedPort,
  after: string,
): Promise<{ list: string; entries: number; to: string }> {
  let list = "";
  let entries = 0;
  let to = after;
  while (entries < maxEntries) {
    const slice = await appended.read(to, sliceEntries);
    if (slice.to === to) break;
    for (const entry of slice.entries) {
      const line = lineOf(entry);
      if (line === undefined) continue;
      list += line;
      entries++;
    }
    to = slice.to;
  }
  return { list, entries, to };
}

/**
 * Formats an entry as one line of a seal's list.
 *
 * @returns `undefined` if the entry is malformed, because its text could then pass for several lines. Verifying its
 * chain reports it even without a seal.
 */
export function lineOf({ chain, seq, hash }: Sealed): string | undefined {
  if (!/^\S+$/.test(chain) || !Number.isSafeInteger(seq) || !/^[0-9a-f]{64}$/.test(hash)) return undefined;
  return `${chain} ${seq} ${hash}\n`;
}

/** Parses a seal; `undefined` if the text is not one. `sealIssue` checks whether it is valid. */
export function openSeal(text: string): Seal | undefined {
  const first = text.indexOf("\n");
  const second = text.indexOf("\n", first + 1);
  if (first < 0 || second < 0) return undefined;
  const signed = text.slice(0, first);
  try {
    const statement = statementSchema.parse(JSON.parse(signed));
    const [signature, list] = [text.slice(first + 1, second), text.slice(second + 1)];
    return { statement, hash: hash("sha256", signed), signed, signature, list };
  } catch {
    return undefined;
  }
}

/** Yields the entries a seal lists, in the order they were appended. */
export function* sealedIn({ list }: Seal): Generator<Sealed> {
  for (let from = 0; from < list.length; ) {
    const end = list.indexOf("\n", from);
    const [chain = "", seq, entryHash = ""] = list.slice(from, end < 0 ? list.length : end).split(" ");
    yield { chain, seq: Number(seq), hash: entryHash };
    if (end < 0) return;
    from = end + 1;
  }
}

/**
 * Checks a seal's key, signature and list, and that it follows from the previous seal.
 *
 * @param before the previous seal; `undefined` for the first seal, `unknown` to skip this check
 * @returns a description of the problem, or `undefined` if the seal is valid
 */
export function sealIssue(
  { statement, signed, signature, list }: Seal,
  before: Seal | "unknown" | undefined,
  publicKey: KeyObject,
): string | undefined {
  if (statement.key !== keyNameOf(publicKey)) return "is signed with another key";
  const bytes = Buffer.from(signature, "base64");
  // Lenient decoding accepts several base64 texts for the same bytes.
  if (bytes.toString("base64") !== signature || !verify("sha256", Buffer.from(signed), publicKey, bytes)) {
    return "has a signature that does not match its key";
  }
  if (hash("sha256", list) !== statement.list) return "has a list that was changed";
  if (before !== "unknown" && statement.prev !== (before?.hash ?? noSeal))
    return "does not follow from the seal before it";
  return undefined;
}
