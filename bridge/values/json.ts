/** Any value that JSON can represent. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export type JsonObject = { [key: string]: Json };

/** Keys that can reach an object's prototype. They are never accepted in input. */
const prototypeKeys = new Set(["__proto__", "prototype", "constructor"]);

export function isPrototypeKey(key: string): boolean {
  return prototypeKeys.has(key);
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Checks that a parsed value is safe to process and store.
 *
 * The nesting depth is at most 64, because JSON functions recurse. Strings are well-formed Unicode, because a lone
 * surrogate does not survive UTF-8 and would change hashes. Numbers are finite, and prototype keys are refused.
 *
 * @returns a message with the path, or `undefined` if the value is safe. A key that is not a plain name is shown as
 *   `…`, because it may be personal data such as an e-mail address.
 */
export function jsonIssue(value: unknown, path = "", depth = 0): string | undefined {
  const where = path.slice(0, 80) || "the value";
  if (depth > 64) return `${where}: nested deeper than 64 levels`;
  switch (typeof value) {
    case "boolean":
      return undefined;
    case "number":
      return Number.isFinite(value) ? undefined : `${where}: not a finite number`;
    case "string":
      return value.isWellFormed() ? undefined : `${where}: not well-formed Unicode`;
    case "object":
      break;
    default:
      return `${where}: not JSON`;
  }
  if (value === null) return undefined;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const issue = jsonIssue(value[i], `${path}[${i}]`, depth + 1);
      if (issue) return issue;
    }
    return undefined;
  }
  for (const key of Object.keys(value)) {
    if (isPrototypeKey(key)) return `${where}: the key "${key}" is not allowed`;
    if (!key.isWellFormed()) return `${where}: a key is not well-formed Unicode`;
    const name = isPlainName(key) ? key : "…";
    const issue = jsonIssue((value as JsonObject)[key], path ? `${path}.${name}` : name, depth + 1);
    if (issue) return issue;
  }
  return undefined;
}

/** Returns true if a key looks like a field name rather than data, such as an e-mail address used as a key. */
export function isPlainName(key: string): boolean {
  return /^[A-Za-z_][\w-]{0,63}$/.test(key) && key.replace(/\D/g, "").length <= maxDigits;
}

/** Maximum number of digits in a plain name (`line2`, `q3_2026`). Nearly every account or document number has more. */
const maxDigits = 5;

const cachedTexts = new WeakMap<object, string>();

/** Serializes an event or a packet. The text is cached, because these objects are never modified. */
export function bodyText(body: object): string {
  let text = cachedTexts.get(body);
  if (text === undefined) {
    text = JSON.stringify(body);
    cachedTexts.set(body, text);
  }
  return text;
}

/** Compares two JSON values. The order of keys does not matter. */
export function jsonEqual(a: Json | undefined, b: Json | undefined): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (a === undefined || b === undefined) return false;
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((item, i) => jsonEqual(item, b[i]));
  }
  if (Array.isArray(b)) return false;
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && jsonEqual(a[key], b[key]))
  );
}
