import canonicalize from "canonicalize";
import { isJsonObject, type Json, type JsonObject } from "./json.ts";

/**
 * Canonical JSON (RFC 8785): one text for equal values, for hashes and comparisons.
 *
 * A value whose keys stand in order already, as the ledger's entries do, is written by the engine itself, in a third of
 * the time.
 *
 * @throws for what JSON cannot carry: a lone surrogate, a number that is not finite
 */
export function canonicalJson(value: unknown): string {
  return isOrdered(value) ? JSON.stringify(value) : (canonicalize(value) as string);
}

/** The same value with its keys in the order of canonical JSON. */
export function inOrder(value: Json): Json {
  if (Array.isArray(value)) return value.map(inOrder);
  if (!isJsonObject(value)) return value;
  const names = Object.keys(value).sort();
  return Object.fromEntries(names.map((name) => [name, inOrder(value[name] as Json)]));
}

/** Whether `JSON.stringify` writes the canonical text: keys in the order of their code units, nothing JSON cannot carry. */
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
  let before = "";
  for (const key of Object.keys(value)) {
    if (key < before || !key.isWellFormed() || !isOrdered((value as JsonObject)[key])) return false;
    before = key;
  }
  return true;
}
