import type { EventBridgeClient, PutEventsRequestEntry } from "@aws-sdk/client-eventbridge";
import { checkEvent, eventKey, type SourceEvent } from "../../bridge/model/event.ts";
import { acceptedEvents } from "./names.ts";
import { bytesOf, maxEntryBytes, putEvents } from "./put-events.ts";

/** Publishes events in the form HMS services use: the whole CloudEvent in `detail`, its type repeated in `detail-type`. */
export class AwsPublisher {
  readonly #client: EventBridgeClient;
  readonly #bus: string;

  /** @param bus its name or ARN */
  constructor(client: EventBridgeClient, bus: string) {
    this.#client = client;
    this.#bus = bus;
  }

  /**
   * Publishes events; resolves when the bus has accepted all of them. Publishing an event again is safe, because the
   * bridge recognizes it by its source and id.
   *
   * The two errors below are thrown before any event is published.
   *
   * @returns the events' keys, `evt-…`
   * @throws {TypeError} if an event is invalid, or has a source or type that the bridge does not accept
   * @throws {RangeError} if an event is larger than 256 KiB
   */
  async publish(events: readonly SourceEvent[]): Promise<string[]> {
    await putEvents(
      this.#client,
      events.map((event) => this.#entryOf(event)),
    );
    return events.map(eventKey);
  }

  #entryOf(event: SourceEvent): PutEventsRequestEntry {
    const checked = checkEvent(event);
    if (checked.kind === "malformed") throw new TypeError(`not an event: ${checked.reason}`);
    const { source, type } = event;
    if (!source.startsWith(acceptedEvents.sourcePrefix) || type.startsWith(acceptedEvents.ownTypePrefix)) {
      throw new TypeError(
        `the bridge does not accept ${type} from ${source}: the source must begin with "${acceptedEvents.sourcePrefix}" and the type must not begin with "${acceptedEvents.ownTypePrefix}"`,
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
        `the event ${eventKey(event)} counts as ${bytes} bytes and EventBridge accepts at most ${maxEntryBytes}; publish a reference to the data instead`,
      );
    }
    return entry;
  }
}
