import { type EventBridgeClient, PutEventsCommand, type PutEventsRequestEntry } from "@aws-sdk/client-eventbridge";

/** Most entries in one call. Source: Amazon EventBridge API reference, `PutEvents`. */
export const maxEntries = 10;

/**
 * Size limit of an entry, and of all entries in one call together.
 *
 * Source: Amazon EventBridge, "Calculating PutEvents event entry size".
 */
export const maxEntryBytes = 262_144;

/** Bytes that an entry's `Time` counts as. Source: as above. */
const timeBytes = 14;

/**
 * Puts entries on a bus in order, in as few calls as possible. Resolves when the bus has accepted all of them.
 *
 * `PutEvents` answers 200 even if it accepted only some entries, so the result of each entry is checked.
 *
 * @param entries each at most `maxEntryBytes`
 * @throws {Error} if the bus did not accept all entries
 */
export async function putEvents(
  client: EventBridgeClient,
  entries: readonly PutEventsRequestEntry[],
  abortSignal?: AbortSignal,
): Promise<void> {
  for (const group of grouped(entries)) {
    const command = new PutEventsCommand({ Entries: [...group] });
    const { Entries = [] } = await client.send(command, abortSignal && { abortSignal });
    const codes = Entries.flatMap(({ ErrorCode }) => (ErrorCode ? [ErrorCode] : []));
    // An entry without a result counts as not accepted.
    const missing = group.length - Entries.length;
    if (codes.length === 0 && missing === 0) continue;
    const reasons = [...new Set(missing > 0 ? [...codes, "no result"] : codes)].join(", ");
    throw new Error(
      `EventBridge did not accept ${codes.length + missing} of ${group.length} events (${reasons}); publish them again`,
    );
  }
}

export function bytesOf({ Source = "", DetailType = "", Detail = "", Time }: PutEventsRequestEntry): number {
  return Buffer.byteLength(Source) + Buffer.byteLength(DetailType) + Buffer.byteLength(Detail) + (Time ? timeBytes : 0);
}

function grouped(entries: readonly PutEventsRequestEntry[]): PutEventsRequestEntry[][] {
  const groups: PutEventsRequestEntry[][] = [];
  let bytes = 0;
  for (const entry of entries) {
    const last = groups.at(-1);
    bytes += bytesOf(entry);
    if (last && last.length < maxEntries && bytes <= maxEntryBytes) last.push(entry);
    else {
      groups.push([entry]);
      bytes = bytesOf(entry);
    }
  }
  return groups;
}
