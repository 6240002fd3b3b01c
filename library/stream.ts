import type { SourceEvent } from "../bridge/model/event.ts";
import type { JsonObject } from "../bridge/values/json.ts";
import { type Bridge, borrowBridge } from "./bridge.ts";

const source = Symbol("source event");

/** An event from a stream, with the fields of its data at the top level. */
export type Streamed = JsonObject & { readonly [source]: SourceEvent };

export function isStreamed(event: Streamed | SourceEvent): event is Streamed {
  return source in event;
}

/** Returns the complete CloudEvent of a streamed event. */
export function sourceOf(event: Streamed): SourceEvent {
  return event[source];
}

export interface StreamOptions {
  readonly bridge?: Bridge;
  /** The cursor's name. Programs that each need every event must use different names. Default: the event type. */
  readonly name?: string;
}

const pageSize = 100;

/** Polling interval for new events of other processes. */
const pollMs = 20;

/**
 * Yields the events of one type, continuing from a durable named cursor.
 *
 * The cursor advances when the next event is requested, so an event whose loop body did not complete is yielded again.
 * The stream waits for new events and never ends by itself. Use `break` to end it.
 */
export async function* Stream(type: string, options: StreamOptions = {}): AsyncGenerator<Streamed, void, void> {
  await using borrowed = await borrowBridge(options.bridge);
  const engine = await borrowed.bridge.engine();
  const id = options.name ?? type;
  for (;;) {
    const [cursor] = await engine.store.read("cursor", [id]);
    let etag = cursor?.etag ?? 0;
    const after = cursor?.value.position;
    const events = await engine.store.events({ type, limit: pageSize, ...(after && { after }) });
    for (const { value, position } of events) {
      // Backfilled events are old and meant only for the targets of their backfill.
      if (value.event && !value.only) yield { ...value.event.data, [source]: value.event } as Streamed;
      const written = await engine.store.write([{ kind: "cursor", id, value: { position }, etag }]);
      if (written === "conflict")
        throw new Error(`another program reads the stream "${id}"; use a different name for this one`);
      etag++;
    }
    if (events.length === 0) await engine.clock.sleep(pollMs);
  }
}
