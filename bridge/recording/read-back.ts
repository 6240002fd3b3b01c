import type { Random } from "../ports/clock.ts";
import type { Records } from "../ports/records.ts";
import type { Kind, Put, Stored, StorePort } from "../ports/store.ts";
import { canonicalJson } from "../values/canonical-json.ts";

/**
 * Kinds whose records get a random mark with each write, because two processes can write equal values at the same time
 * and only one of them may proceed. In a packet, the lease has that purpose; other writes of equal values are equivalent.
 */
const isMarked: Readonly<Record<Kind, boolean>> = {
  connectors: false,
  cursor: true,
  erasing: false,
  event: false,
  health: true,
  job: true,
  lane: false,
  memory: true,
  packet: false,
  seal: false,
  sequence: false,
  shadow: false,
  sheet: false,
};

/** Store operations that a confirmed write needs. `read` keeps the marks. */
export type ReadWrite = Pick<StorePort, "read" | "write">;

/**
 * Writes, and reads the records back if the answer is `conflict`.
 *
 * If the answer to a write is lost, the AWS SDK repeats the write, and the repetition fails because the first one has
 * changed the etag. The write counts as written if every record is exactly as it was to be written. Entries and items
 * that point to records are part of the same transaction, so the records prove them too.
 */
export async function writeConfirmed(
  { read, write }: ReadWrite,
  random: Pick<Random, "id">,
  ...[puts, entries]: Parameters<StorePort["write"]>
): Promise<"written" | "conflict"> {
  const marked = puts.map((put) => withMark(put, random));
  if ((await write(marked, entries)) === "written") return "written";
  return marked.length > 0 && (await areStored(read, marked)) ? "written" : "conflict";
}

/** Returns a record as it was given to `writeConfirmed`. */
export function withoutMark<K extends Kind>(kind: K, value: Records[K]): Records[K] {
  if (!isMarked[kind]) return value;
  const { mark: _, ...unmarked } = value as Records[K] & { mark?: string };
  return unmarked as unknown as Records[K];
}

function withMark(put: Put, random: Pick<Random, "id">): Put {
  if (!isMarked[put.kind]) return put;
  const value: object = { ...put.value, mark: random.id() };
  return { ...put, value } as Put;
}

async function areStored(read: StorePort["read"], puts: readonly Put[]): Promise<boolean> {
  const ofKinds = [...Map.groupBy(puts, ({ kind }) => kind)].map(async ([kind, ofKind]) => {
    const found = await read(
      kind,
      ofKind.map(({ id }) => id),
    );
    return ofKind.every((put, i) => isStored(put, found[i]));
  });
  return (await Promise.all(ofKinds)).every((all) => all);
}

function isStored(put: Put, stored: Stored<Kind> | undefined): boolean {
  return stored?.etag === put.etag + 1 && textOf(put, put.value) === textOf(put, stored.value);
}

/** Returns the part of a record that a put writes. The body of an event or packet is written once and only erased. */
function textOf(put: Put, value: Records[Kind]): string {
  if (put.etag === 0 || put.erases) return jsonOf(value);
  if (put.kind === "packet") return jsonOf((value as Records["packet"]).progress);
  if (put.kind !== "event") return jsonOf(value);
  const { event: _, ...record } = value as Records["event"];
  return jsonOf(record);
}

/** Serializes a value as it is after it was stored, which drops undefined fields. */
function jsonOf(value: object): string {
  return canonicalJson(JSON.parse(JSON.stringify(value)));
}
