import type { SourceEvent } from "../model/event.ts";
import type { Json } from "../values/json.ts";
import type { Sheet, Target } from "./compile-sheet.ts";
import { ExpressionError } from "./expression.ts";

/** A target that takes an event. */
export interface Match {
  readonly sheet: Sheet;
  readonly target: Target;
  /** Error of the sheet's `when` on this event. It is then unknown whether the target takes the event. */
  readonly issue?: string;
}

/**
 * Finds the targets an event goes to, in the sheets' order.
 *
 * A target's `from` and `until` are compared with the time of acceptance, not with the event's own time. Once `until`
 * has passed, a late event goes only to the newer version.
 *
 * If a sheet's `when` fails on this event, the sheet's targets are returned with the error. Other sheets are
 * unaffected.
 *
 * @param sheets the sheets whose `source_event` names the event's type
 * @param acceptedMs time of acceptance in ms since the epoch; the result of `$now()`
 * @param at time to compare with `from` and `until`, if not the time of acceptance
 */
export async function match(
  event: SourceEvent,
  sheets: readonly Sheet[],
  acceptedMs: number,
  at: number = acceptedMs,
): Promise<Match[]> {
  const matches: Match[] = [];
  for (const sheet of sheets) {
    const applies = await whenApplies(sheet, event, acceptedMs);
    if (applies === false) continue;
    for (const target of sheet.targets) {
      if (target.from !== undefined && at < target.from) continue;
      if (target.until !== undefined && at >= target.until) continue;
      matches.push(applies === true ? { sheet, target } : { sheet, target, issue: applies });
    }
  }
  return matches;
}

/** Evaluates a sheet's `when`. Returns the error's message if it fails. */
async function whenApplies({ when }: Sheet, event: SourceEvent, acceptedMs: number): Promise<boolean | string> {
  if (!when) return true;
  try {
    return (await when.evaluate(event as unknown as Json, acceptedMs)) === true;
  } catch (error) {
    if (error instanceof ExpressionError) return `when: ${error.message}`;
    throw error;
  }
}
