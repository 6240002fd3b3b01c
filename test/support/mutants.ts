import fc from "fast-check";

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

/**
 * Good texts with up to eight things done to them: a piece cut out, doubled, moved, or something nasty put in. They come
 * further into what reads them than text made of nothing would.
 *
 * @param tokens what has a meaning in their language
 */
export function mutants(good: readonly string[], tokens: readonly string[]): fc.Arbitrary<string> {
  const place = fc.double({ min: 0, max: 1, noNaN: true });
  const change = fc.record({
    kind: fc.constantFrom("cut", "double", "move", "put"),
    at: place,
    to: place,
    length: fc.nat(40),
    what: fc.oneof(fc.constantFrom(...tokens), fc.constantFrom(...nasty), fc.string({ unit: "binary", maxLength: 4 })),
  });
  return fc.tuple(fc.constantFrom(...good), fc.array(change, { maxLength: 8 })).map(([text, changes]) => {
    for (const { kind, at, to, length, what } of changes) {
      const from = Math.floor(at * text.length);
      const piece = text.slice(from, from + length);
      const without = text.slice(0, from) + text.slice(from + length);
      const put = (into: string, where: number, more: string) => into.slice(0, where) + more + into.slice(where);
      if (kind === "cut") text = without;
      if (kind === "double") text = put(text, from, piece);
      if (kind === "move") text = put(without, Math.floor(to * without.length), piece);
      if (kind === "put") text = put(text, from, what);
    }
    return text;
  });
}
