/** Any value JSON can carry. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export type JsonObject = { [key: string]: Json };

/** Keys that reach an object's prototype when assigned; never accepted from outside. */
const prototypeKeys = new Set(["__proto__", "prototype", "constructor"]);

export function isPrototypeKey(key: string): boolean {
  return prototypeKeys.has(key);
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Says what makes a parsed value unsafe to carry on, or nothing.
 *
 * Limits: depth 64 (the engines' JSON functions recurse), strings well-formed Unicode (a lone surrogate would not
 * survive the round trip through UTF-8 and so change the hashes), finite numbers, no prototype keys.
 *
 * The text names the place, and of keys only those that are plain names: a record may be keyed by an e-mail address.
 */
export function jsonFault(value: unknown, path = "", depth = 0): string | undefined {
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
      const fault = jsonFault(value[i], `${path}[${i}]`, depth + 1);
      if (fault) return fault;
    }
    return undefined;
  }
  for (const key of Object.keys(value)) {
    if (isPrototypeKey(key)) return `${where}: the key "${key}" is not allowed`;
    if (!key.isWellFormed()) return `${where}: a key is not well-formed Unicode`;
    const name = isPlainName(key) ? key : "…";
    const fault = jsonFault((value as JsonObject)[key], path ? `${path}.${name}` : name, depth + 1);
    if (fault) return fault;
  }
  return undefined;
}

/** Whether a key is a field's name, and not a value that records are kept under: an address, an account, a passport. */
export function isPlainName(key: string): boolean {
  return /^[A-Za-z_][\w-]{0,63}$/.test(key) && key.replace(/\D/g, "").length <= maxDigits;
}

/** `line2`, `q3_2026`: a name has so many digits at most, and hardly a number of anything has so few. */
const maxDigits = 5;

const bodyTexts = new WeakMap<object, string>();

/** The JSON of an event or a packet. These never change, and are weighed, kept and queued as the one text. */
export function bodyText(body: object): string {
  let text = bodyTexts.get(body);
  if (text === undefined) {
    text = JSON.stringify(body);
    bodyTexts.set(body, text);
  }
  return text;
}

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
