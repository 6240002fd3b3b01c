import { type EventBridgeClient, PutEventsCommand, type PutEventsRequestEntry } from "@aws-sdk/client-eventbridge";
import { checkEvent, eventKey, type SourceEvent } from "../../bridge/event.ts";
import { heard } from "./names.ts";

/** Source: Amazon EventBridge API reference, `PutEvents`: at most 10 entries. */
export const maxEntries = 10;

/** Source: Amazon EventBridge, "Calculating PutEvents event entry size": of an entry, and of all in a call. */
const maxEntryBytes = 262_144;

/** Source: the same: what a time counts for. */
const timeBytes = 14;

/**
 * Publishes events as HMS services do: the whole CloudEvent in `detail`, its type repeated in `detail-type`.
 *
 * `PutEvents` answers 200 where it took only some of them, so each entry's own result is looked at.
 */
export class AwsPublisher {
  readonly #client: EventBridgeClient;
  readonly #bus: string;

  /** @param bus its name or ARN */
  constructor(client: EventBridgeClient, bus: string) {
    this.#client = client;
    this.#bus = bus;
  }

  /**
   * Resolves when the bus has all of them. Publishing one again is safe: the bridge knows it by its source and id.
   *
   * @returns the events' keys, `evt-…`
   * @throws {TypeError} where one is no event, or none the bridge would hear, {RangeError} over 256 KiB, both before any is published
   */
  async publish(events: readonly SourceEvent[]): Promise<string[]> {
    for (const group of grouped(events.map((event) => this.#entryOf(event)))) await this.#put(group);
    return events.map(eventKey);
  }

  async #put(entries: readonly PutEventsRequestEntry[]): Promise<void> {
    const { Entries = [] } = await this.#client.send(new PutEventsCommand({ Entries: [...entries] }));
    const codes = Entries.flatMap(({ ErrorCode }) => (ErrorCode ? [ErrorCode] : []));
    // An answer that is short of results has not taken what it does not name.
    const missing = entries.length - Entries.length;
    if (codes.length === 0 && missing === 0) return;
    const why = [...new Set(missing > 0 ? [...codes, "no result"] : codes)].join(", ");
    throw new Error(
      `EventBridge did not take ${codes.length + missing} of ${entries.length} events (${why}); publish them again`,
    );
  }

  #entryOf(event: SourceEvent): PutEventsRequestEntry {
    const arrival = checkEvent(event);
    if (arrival.kind === "malformed") throw new TypeError(`not an event: ${arrival.reason}`);
    const { source, type } = event;
    if (!source.startsWith(heard.sourcePrefix) || type.startsWith(heard.ownTypePrefix)) {
      throw new TypeError(
        `the bridge does not hear ${type} of ${source}: a source begins with "${heard.sourcePrefix}", and no type with "${heard.ownTypePrefix}"`,
      );
    }
    const entry = {
      EventBusName: this.#bus,
      Source: event.source,
      DetailType: event.type,
      Detail: JSON.stringify(event),
      ...(event.time !== undefined && { Time: new Date(event.time) }),
    };
    const bytes = bytesOf(entry);
    if (bytes > maxEntryBytes) {
      throw new RangeError(
        `the event ${eventKey(event)} is ${bytes} bytes to EventBridge, which takes ${maxEntryBytes}; publish a reference to the data instead`,
      );
    }
    return entry;
  }
}

function bytesOf({ Source = "", DetailType = "", Detail = "", Time }: PutEventsRequestEntry): number {
  return Buffer.byteLength(Source) + Buffer.byteLength(DetailType) + Buffer.byteLength(Detail) + (Time ? timeBytes : 0);
}

/** In order, as many to a call as it takes. */
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
