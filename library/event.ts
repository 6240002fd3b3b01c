import { randomUUID } from "node:crypto";
import { checkEvent, type SourceEvent } from "../bridge/model/event.ts";
import type { JsonObject } from "../bridge/values/json.ts";

export interface EventInput {
  readonly type: string;
  readonly data: JsonObject;
  /** Default: a new UUID. Events with the same id and source are duplicates. */
  readonly id?: string;
  /** Default: `hms.local`. */
  readonly source?: string;
  readonly subject?: string;
  /** RFC 3339. Default: now. */
  readonly time?: string;
  readonly sequence?: number;
}

interface EventFactory {
  (input: EventInput): SourceEvent;
  new (input: EventInput): SourceEvent;
}

/**
 * Creates an event to publish and fills in the required CloudEvents attributes: `Event({ type, data })`, with or without
 * `new`.
 *
 * @throws {TypeError} if the event is malformed; the message names the attribute
 */
export const Event = ((input: EventInput): SourceEvent => {
  const parsed = checkEvent({ id: randomUUID(), source: "hms.local", time: new Date().toISOString(), ...input });
  if (parsed.kind === "malformed") throw new TypeError(`not an event: ${parsed.reason}`);
  return parsed.event;
}) as unknown as EventFactory;
