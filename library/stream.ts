import type { SourceEvent } from "../bridge/model/event.ts";
import type { JsonObject } from "../bridge/values/json.ts";
import { type Bridge, borrowBridge } from "./bridge.ts";

const source = Symbol("source event");

/** An event as a stream gives it: its data's fields at the top. */
export type Streamed = JsonObject & { readonly [source]: SourceEvent };

export function isStreamed(event: Streamed | SourceEvent): event is Streamed {
  return source in event;
}

/** The whole CloudEvent behind a streamed one. */
export function sourceOf(event: Streamed): SourceEvent {
  return event[source];
}

export interface StreamOptions {
  readonly bridge?: Bridge;
  /** The cursor's name: two programs that each want every event take two names. Default: the event type. */
  readonly name?: string;
}

const page = 100;
/** How often another process's events are looked for. */
const lookMs = 20;

/**
 * The events of a type, from where this stream was last: a durable, named cursor.
 *
 * The cursor moves on when the next event is asked for, so an event whose loop body did not end is given again. It
 * waits for new events and never ends by itself; `break` ends it.
 */
export async function* Stream(type: string, options: StreamOptions = {}): AsyncGenerator<Streamed, void, void> {
  await using borrowed = await borrowBridge(options.bridge);
  const engine = await borrowed.bridge.engine();
  const id = options.name ?? type;
  for (;;) {
    const [cursor] = await engine.store.read("cursor", [id]);
    let etag = cursor?.etag ?? 0;
    const after = cursor?.value.position;
    const events = await engine.store.events({ type, limit: page, ...(after && { after }) });
    for (const { value, position } of events) {
      // What a back-fill brought is old, and for the targets it was brought for.
      if (value.event && !value.only) yield { ...value.event.data, [source]: value.event } as Streamed;
      const written = await engine.store.write([{ kind: "cursor", id, value: { position }, etag }]);
      if (written === "conflict")
        throw new Error(`another program reads the stream "${id}"; give this one a name of its own`);
      etag++;
    }
    if (events.length === 0) await engine.clock.sleep(lookMs);
  }
}
