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
  /** RFC 3339. Default: now, in µs, and later than that of any earlier event of this process. */
  readonly time?: string;
  readonly sequence?: number;
}

interface EventFactory {
  (input: EventInput): SourceEvent;
  new (input: EventInput): SourceEvent;
}

/** Time of the last event created without one, in µs since the epoch. */
let lastTime = 0;

/** Largest lead of `lastTime` over the clock, in µs. If the clock was set back by more, the times follow it. */
const maxLead = 1_000_000;

/** Returns the time in µs, later than that of the event before, so that two events of one ms keep their order. */
function nextTime(): string {
  const now = Date.now() * 1_000;
  lastTime = lastTime - now > maxLead ? now : Math.max(lastTime + 1, now);
  const fine = String(lastTime % 1_000).padStart(3, "0");
  return new Date(Math.floor(lastTime / 1_000)).toISOString().replace("Z", `${fine}Z`);
}

/**
 * Creates an event to publish and fills in the required CloudEvents attributes: `Event({ type, data })`, with or without
 * `new`.
 *
 * @throws {TypeError} if the event is malformed; the message names the attribute
 */
export const Event = ((input: EventInput): SourceEvent => {
  const parsed = checkEvent({ id: randomUUID(), source: "hms.local", time: nextTime(), ...input });
  if (parsed.kind === "malformed") throw new TypeError(`not an event: ${parsed.reason}`);
  return parsed.event;
}) as unknown as EventFactory;
