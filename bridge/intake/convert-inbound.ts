import { changedFields, mapEvent } from "../mapping/map-event.ts";
import { convertedSource, inboundPrefix, type SourceEvent } from "../model/event.ts";
import { nest } from "../values/field-path.ts";
import { bodyText } from "../values/json.ts";
import type { Plan } from "./plan.ts";

/** Largest published event, in UTF-8 bytes. Source: Amazon EventBridge, 256 KB per entry including names. */
const maxPublishedBytes = 250_000;

/** Maximum number of HMS events per message. A message that exceeds it is quarantined. */
const maxConverted = 500;

/** The HMS events that a message from an outside system is converted to, or the reason it cannot be converted. */
export type Conversion = { readonly events: readonly SourceEvent[] } | { readonly issue: string };

/**
 * Converts a message from an outside system into HMS events, by the inbound sheets of a plan.
 *
 * The same message always yields the same events with the same ids, so publishing them twice has no further effect. If
 * any part of the message cannot be converted, nothing is published, because a partial conversion would be wrong.
 */
export async function convert({ key, event, matches, acceptedMs }: Plan): Promise<Conversion> {
  const events: SourceEvent[] = [];
  const origin = event.type.slice(inboundPrefix.length);
  for (const match of matches) {
    const { sheet, target } = match;
    if (target.publish === undefined) continue;
    for (const payload of await mapEvent(event, match, acceptedMs)) {
      if (payload.issue !== undefined) return { issue: `${sheet.name}.${target.name}: ${payload.issue}` };
      const fields = changedFields(payload);
      if (!fields) continue;
      events.push({
        id: [key, sheet.name, target.name, ...(payload.element === undefined ? [] : [payload.element])].join("."),
        source: `${convertedSource}${origin}`,
        type: target.publish,
        // A payload without a key has the sheet's name as its entity, which identifies no record.
        ...(payload.entity !== sheet.name && { subject: payload.entity }),
        ...(event.time !== undefined && { time: event.time }),
        ...(event.sequence !== undefined && { sequence: event.sequence }),
        origin,
        data: nest(fields),
      });
    }
  }
  if (events.some((converted) => Buffer.byteLength(bodyText(converted)) > maxPublishedBytes)) {
    return { issue: `an event would be larger than ${maxPublishedBytes} bytes` };
  }
  if (events.length <= maxConverted) return { events };
  return { issue: `the message would become ${events.length} events; the limit is ${maxConverted} events per message` };
}
