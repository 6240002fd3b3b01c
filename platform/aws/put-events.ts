import { type EventBridgeClient, PutEventsCommand, type PutEventsRequestEntry } from "@aws-sdk/client-eventbridge";

/** Source: Amazon EventBridge API reference, `PutEvents`: at most 10 entries. */
export const maxEntries = 10;

/** Source: Amazon EventBridge, "Calculating PutEvents event entry size": of an entry, and of all in a call. */
export const maxEntryBytes = 262_144;

/** Source: the same: what a time counts for. */
const timeBytes = 14;

/**
 * Puts entries on a bus, in order, as many to a call as it takes. Resolves when the bus has all of them.
 *
 * `PutEvents` answers 200 where it took only some of them, so each entry's own result is looked at.
 *
 * @param entries each of at most `maxEntryBytes`
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
    // An answer that is short of results has not taken what it does not name.
    const missing = group.length - Entries.length;
    if (codes.length === 0 && missing === 0) continue;
    const why = [...new Set(missing > 0 ? [...codes, "no result"] : codes)].join(", ");
    throw new Error(
      `EventBridge did not take ${codes.length + missing} of ${group.length} events (${why}); publish them again`,
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
