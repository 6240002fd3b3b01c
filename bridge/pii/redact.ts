import { maskText } from "./detect.ts";

/** A person's own words as they may stand in a ledger, a list or a log. */
export function withoutPersonalData(text: string): string {
  return maskText(text);
}

const redactedNames = new Map<string, string>();
const maxRedactedNames = 1_000;

/**
 * An event's type or source as a ledger, a log or a list may have it: personal data in it is masked. A source is an
 * address of anything, and CloudEvents' own example of one is a `mailto:`.
 */
export function redactName(name: string): string {
  // A service has few of them, and each event is told.
  let told = redactedNames.get(name);
  if (told !== undefined) return told;
  told = maskText(name);
  if (redactedNames.size >= maxRedactedNames) redactedNames.clear();
  redactedNames.set(name, told);
  return told;
}
