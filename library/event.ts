import { randomUUID } from "node:crypto";
import { checkEvent, type SourceEvent } from "../bridge/model/event.ts";
import type { JsonObject } from "../bridge/values/json.ts";

export interface EventInput {
  readonly type: string;
  readonly data: JsonObject;
  /** Default: a new UUID. The same id and source again is the same event. */
  readonly id?: string;
  /** Default: `hms.local`. */
  readonly source?: string;
  readonly subject?: string;
  /** RFC 3339. Default: now. */
  readonly time?: string;
  readonly sequence?: number;
}

interface EventMaker {
  (input: EventInput): SourceEvent;
  new (input: EventInput): SourceEvent;
}

/**
 * A change to publish, with what CloudEvents asks for filled in: `Event({ type, data })`, with or without `new`.
 *
 * @throws where it is no event the bridge's door would take; the message names the attribute
 */
export const Event = ((input: EventInput): SourceEvent => {
  const arrival = checkEvent({ id: randomUUID(), source: "hms.local", time: new Date().toISOString(), ...input });
  if (arrival.kind === "malformed") throw new TypeError(`not an event: ${arrival.reason}`);
  return arrival.event;
}) as unknown as EventMaker;
