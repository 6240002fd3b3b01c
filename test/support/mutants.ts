import fc from "fast-check";
import type { Json, JsonObject } from "../../bridge/values/json.ts";

/** What parsers stumble over, in any language. */
const nasty = [
  "",
  "\0",
  "\r\n",
  "\u2028",
  "\ufeff",
  "\ud800",
  "💥",
  "__proto__",
  "constructor",
  "null",
  "-0",
  "1e999",
  "9007199254740993",
  "[".repeat(2_000),
  "{".repeat(2_000),
  "x".repeat(5_000),
] as const;

/** A place in a text or a tree of whatever size: taken modulo that. */
const anywhere = fc.nat(1_000_003);

/**
 * Good texts with up to eight things done to them: a piece cut out, doubled, moved, or something nasty put in. They come
 * further into what reads them than text made of nothing would.
 *
 * @param tokens what has a meaning in their language
 */
export function mutants(good: readonly string[], tokens: readonly string[]): fc.Arbitrary<string> {
  const change = fc.record({
    kind: fc.constantFrom("cut", "double", "move", "put"),
    at: anywhere,
    to: anywhere,
    length: fc.nat(40),
    what: fc.oneof(fc.constantFrom(...tokens), fc.constantFrom(...nasty), fc.string({ unit: "binary", maxLength: 4 })),
  });
  return fc.tuple(fc.constantFrom(...good), fc.array(change, { maxLength: 8 })).map(([text, changes]) => {
    for (const { kind, at, to, length, what } of changes) {
      const from = at % (text.length + 1);
      const piece = text.slice(from, from + length);
      const without = text.slice(0, from) + text.slice(from + length);
      const put = (into: string, where: number, more: string) => into.slice(0, where) + more + into.slice(where);
      if (kind === "cut") text = without;
      if (kind === "double") text = put(text, from, piece);
      if (kind === "move") text = put(without, to % (without.length + 1), piece);
      if (kind === "put") text = put(text, from, what);
    }
    return text;
  });
}

/** Good JSON, of which up to four values are others, are gone, or have another name: JSON still. */
export function jsonMutants(good: JsonObject): fc.Arbitrary<string> {
  const value = fc.oneof({ weight: 2, arbitrary: fc.jsonValue({ maxDepth: 3 }) }, fc.constantFrom(...nasty));
  const change = fc.record({
    kind: fc.constantFrom("replace", "remove", "rename"),
    at: anywhere,
    value,
    name: fc.oneof(fc.constantFrom(...nasty), fc.string({ unit: "binary", maxLength: 8 })),
  });
  return fc.array(change, { minLength: 1, maxLength: 4 }).map((changes) => {
    const tree = structuredClone(good);
    for (const { kind, at, value, name } of changes) {
      const places = placesIn(tree);
      const [holder, key] = places[at % places.length] ?? [tree, "id"];
      const held = holder[key] as Json;
      if (kind !== "replace") delete holder[key];
      if (kind === "replace") holder[key] = value as Json;
      if (kind === "rename") holder[name] = held;
    }
    return JSON.stringify(tree);
  });
}

/** Every value of a tree: what holds it, and by which name. */
function placesIn(holder: JsonObject): [JsonObject, string][] {
  return Object.entries(holder).flatMap(([key, value]) => [
    [holder, key] as [JsonObject, string],
    ...(typeof value === "object" && value !== null ? placesIn(value as JsonObject) : []),
  ]);
}
