import type { SourceEvent } from "./event.ts";
import type { Json } from "./json.ts";
import type { Sheet, Target } from "./sheet.ts";

/** One target that wants one event. */
export interface Match {
  readonly sheet: Sheet;
  readonly target: Target;
}

/**
 * Finds the targets an event goes to, in the sheets' order.
 *
 * A target's `from` and `until` are judged by the time of acceptance, not the event's own: once `until` has passed, a
 * late event goes to the newer version alone.
 *
 * @param sheets those whose `source_event` names the event's type
 * @param acceptedMs ms since the epoch
 * @throws {ExpressionFault} where a sheet's `when` faults on this event
 */
export async function match(event: SourceEvent, sheets: readonly Sheet[], acceptedMs: number): Promise<Match[]> {
  const matches: Match[] = [];
  for (const sheet of sheets) {
    if (sheet.when && (await sheet.when.evaluate(event as unknown as Json, acceptedMs)) !== true) continue;
    for (const target of sheet.targets) {
      if (target.from !== undefined && acceptedMs < target.from) continue;
      if (target.until !== undefined && acceptedMs >= target.until) continue;
      matches.push({ sheet, target });
    }
  }
  return matches;
}
