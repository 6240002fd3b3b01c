import { maskText } from "./detect.ts";

/** Masks personal data in free text that a person wrote, so it can be stored in the ledger, listed or logged. */
export function withoutPersonalData(text: string): string {
  return maskText(text);
}

const cachedNames = new Map<string, string>();
const maxCachedNames = 1_000;

/**
 * Masks personal data in an event's type or source, for the ledger, lists and logs.
 *
 * A source can be any URI; one example in the CloudEvents specification is a `mailto:` address.
 */
export function redactName(name: string): string {
  // A service uses few names but logs one with every event, so results are cached.
  let redacted = cachedNames.get(name);
  if (redacted !== undefined) return redacted;
  redacted = maskText(name);
  if (cachedNames.size >= maxCachedNames) cachedNames.clear();
  cachedNames.set(name, redacted);
  return redacted;
}
