import type { SourceEvent } from "../model/event.ts";
import type { Json } from "../values/json.ts";
import type { Sheet, Target } from "./compile-sheet.ts";
import { ExpressionError } from "./expression.ts";

/** One target that wants one event. */
export interface Match {
  readonly sheet: Sheet;
  readonly target: Target;
  /** Why it cannot be said whether it wants it: its sheet's `when` faults on this event. */
  readonly fault?: string;
}

/**
 * Finds the targets an event goes to, in the sheets' order.
 *
 * A target's `from` and `until` are judged by the time of acceptance, not the event's own: once `until` has passed, a
 * late event goes to the newer version alone.
 *
 * A sheet whose `when` faults on this event takes nothing from the others: its own targets are found with the fault.
 *
 * @param sheets those whose `source_event` names the event's type
 * @param acceptedMs ms since the epoch: what `$now()` answers
 * @param at when `from` and `until` are judged, if not at its acceptance
 */
export async function match(
  event: SourceEvent,
  sheets: readonly Sheet[],
  acceptedMs: number,
  at: number = acceptedMs,
): Promise<Match[]> {
  const matches: Match[] = [];
  for (const sheet of sheets) {
    const wanted = await wants(sheet, event, acceptedMs);
    if (wanted === false) continue;
    for (const target of sheet.targets) {
      if (target.from !== undefined && at < target.from) continue;
      if (target.until !== undefined && at >= target.until) continue;
      matches.push(wanted === true ? { sheet, target } : { sheet, target, fault: wanted });
    }
  }
  return matches;
}

/** @returns whether the sheet is for this event, or why that cannot be said */
async function wants({ when }: Sheet, event: SourceEvent, acceptedMs: number): Promise<boolean | string> {
  if (!when) return true;
  try {
    return (await when.evaluate(event as unknown as Json, acceptedMs)) === true;
  } catch (error) {
    if (error instanceof ExpressionError) return `when: ${error.message}`;
    throw error;
  }
}
