import { mapEvent } from "../mapping/map-event.ts";
import { convertedSource, inboundPrefix, type SourceEvent } from "../model/event.ts";
import { nest } from "../values/field-path.ts";
import { bodyText } from "../values/json.ts";
import type { Plan } from "./plan.ts";

/** A larger event is not published. Source: Amazon EventBridge, 256 KB an entry, some of which are names. */
const maxPublishedBytes = 250_000;

/** More HMS events than this are not made of one message: it should come in parts. */
const maxConverted = 500;

/** What HMS hears of a message from outside, or why that cannot be said. */
export type Converted = { readonly events: readonly SourceEvent[] } | { readonly fault: string };

/**
 * Converts what an outside system says into HMS events, by the inbound sheets of a plan.
 *
 * The same message gives the same events with the same ids, so that publishing them twice is one event each. All or
 * none: half a message would be a wrong message.
 */
export async function convert({ key, event, matches, acceptedMs }: Plan): Promise<Converted> {
  const events: SourceEvent[] = [];
  const origin = event.type.slice(inboundPrefix.length);
  for (const found of matches) {
    const { sheet, target } = found;
    if (target.publish === undefined) continue;
    for (const parcel of await mapEvent(event, found, acceptedMs)) {
      if (parcel.fault !== undefined) return { fault: `${sheet.name}.${target.name}: ${parcel.fault}` };
      events.push({
        id: [key, sheet.name, target.name, ...(parcel.element === undefined ? [] : [parcel.element])].join("."),
        source: `${convertedSource}${origin}`,
        type: target.publish,
        // Without a key it is about one record, which goes without a name.
        ...(parcel.entity !== sheet.name && { subject: parcel.entity }),
        ...(event.time !== undefined && { time: event.time }),
        ...(event.sequence !== undefined && { sequence: event.sequence }),
        origin,
        data: nest(parcel.fields),
      });
    }
  }
  if (events.some((made) => Buffer.byteLength(bodyText(made)) > maxPublishedBytes)) {
    return { fault: `an event would be larger than ${maxPublishedBytes} bytes` };
  }
  if (events.length <= maxConverted) return { events };
  return { fault: `it would be ${events.length} events, and at most ${maxConverted} are made of one message` };
}
