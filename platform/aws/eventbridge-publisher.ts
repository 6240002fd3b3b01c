import type { EventBridgeClient, PutEventsRequestEntry } from "@aws-sdk/client-eventbridge";
import { checkEvent, eventKey, type SourceEvent } from "../../bridge/model/event.ts";
import { heard } from "./names.ts";
import { bytesOf, maxEntryBytes, putEvents } from "./put-events.ts";

/** Publishes events as HMS services do: the whole CloudEvent in `detail`, its type repeated in `detail-type`. */
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
    await putEvents(
      this.#client,
      events.map((event) => this.#entryOf(event)),
    );
    return events.map(eventKey);
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
