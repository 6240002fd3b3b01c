import fc from "fast-check";
import type { Json, JsonObject } from "../../bridge/values/json.ts";

/** Values that often break parsers of any language. */
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

/** A position in a text or tree of any size: callers reduce it modulo the size. */
const anywhere = fc.nat(1_000_003);

/**
 * Generates valid texts with up to eight changes: a piece is removed, repeated or moved, or a token is inserted. They
 * reach deeper into a parser than random text does.
 *
 * @param tokens tokens of the texts' language
 */
export function mutants(valid: readonly string[], tokens: readonly string[]): fc.Arbitrary<string> {
  const change = fc.record({
    kind: fc.constantFrom("cut", "double", "move", "put"),
    at: anywhere,
    to: anywhere,
    length: fc.nat(40),
    what: fc.oneof(fc.constantFrom(...tokens), fc.constantFrom(...nasty), fc.string({ unit: "binary", maxLength: 4 })),
  });
  return fc.tuple(fc.constantFrom(...valid), fc.array(change, { maxLength: 8 })).map(([text, changes]) => {
    for (const { kind, at, to, length, what } of changes) {
      const from = at % (text.length + 1);
      const piece = text.slice(from, from + length);
      const without = text.slice(0, from) + text.slice(from + length);
      const insert = (into: string, index: number, added: string) => into.slice(0, index) + added + into.slice(index);
      if (kind === "cut") text = without;
      if (kind === "double") text = insert(text, from, piece);
      if (kind === "move") text = insert(without, to % (without.length + 1), piece);
      if (kind === "put") text = insert(text, from, what);
    }
    return text;
  });
}

/** Generates valid JSON from an object by replacing, removing or renaming one to four of its values. */
export function jsonMutants(valid: JsonObject): fc.Arbitrary<string> {
  const value = fc.oneof({ weight: 2, arbitrary: fc.jsonValue({ maxDepth: 3 }) }, fc.constantFrom(...nasty));
  const change = fc.record({
    kind: fc.constantFrom("replace", "remove", "rename"),
    at: anywhere,
    value,
    name: fc.oneof(fc.constantFrom(...nasty), fc.string({ unit: "binary", maxLength: 8 })),
  });
  return fc.array(change, { minLength: 1, maxLength: 4 }).map((changes) => {
    const tree = structuredClone(valid);
    for (const { kind, at, value, name } of changes) {
      const places = placesIn(tree);
      const [parent, key] = places[at % places.length] ?? [tree, "id"];
      const renamed = parent[key] as Json;
      if (kind !== "replace") delete parent[key];
      if (kind === "replace") parent[key] = value as Json;
      if (kind === "rename") parent[name] = renamed;
    }
    return JSON.stringify(tree);
  });
}

/** Lists every value of a tree by its parent object and key. */
function placesIn(parent: JsonObject): [JsonObject, string][] {
  return Object.entries(parent).flatMap(([key, value]) => [
    [parent, key] as [JsonObject, string],
    ...(typeof value === "object" && value !== null ? placesIn(value as JsonObject) : []),
  ]);
}
