import * as z from "zod";

const text = z.string().optional().catch(undefined);
const texts = z.array(z.string()).catch([]);

/**
 * What a refusal may say of single fields.
 *
 * Sources: RFC 9457, 3 (`errors` with `pointer` and `detail`); RFC 7807, 3.2 (`invalid-params`); and
 * `ValidationProblemDetails` of ASP.NET Core, which gives `errors` as an object.
 */
const problemSchema = z.looseObject({
  title: text,
  detail: text,
  errors: z
    .union([
      z.array(z.looseObject({ pointer: text, detail: text })),
      z.record(z.string(), texts).transform((byName) => {
        return Object.entries(byName).map(([pointer, [detail]]) => ({ pointer, detail }));
      }),
    ])
    .catch([]),
  "invalid-params": z.array(z.looseObject({ name: text, reason: text })).catch([]),
});

/** How many fields are named, and how long what is said of each may be. */
const mostFields = 5;
const mostCharacters = 160;

/**
 * Which fields a target refused and why, in its words: `dailyRate: must be at most 500; address.zip: is required`.
 *
 * A target often repeats the value it does not like; what we sent is taken out of its words.
 *
 * @param body of the refusal; anything that is no problem says nothing
 * @param sent what the request held
 */
export function problemIn(body: string, sent: unknown): string | undefined {
  let raw: unknown;
  try {
    raw = JSON.parse(body);
  } catch {
    return undefined;
  }
  const problem = problemSchema.safeParse(raw);
  if (!problem.success) return undefined;
  const { title, detail, errors, "invalid-params": params } = problem.data;
  const ofFields = [
    ...errors.map((error) => ({ at: error.pointer, why: error.detail })),
    ...params.map(({ name, reason }) => ({ at: name, why: reason })),
  ].filter(({ at, why }) => at || why);
  const inWords = ofFields.map(({ at, why }) => [at && fieldOf(at), why].filter(Boolean).join(": "));
  const said = inWords.length > 0 ? inWords.slice(0, mostFields) : [detail ?? title ?? ""];
  const more = inWords.length > mostFields ? [`and ${inWords.length - mostFields} more`] : [];
  return [...said.map((words) => withoutValues(words, sent)), ...more].filter(Boolean).join("; ") || undefined;
}

/**
 * The field a JSON pointer or a path names, as a packet names it: `#/address/zip` and `$.address.zip` are `address.zip`.
 * Source: RFC 6901.
 */
export function fieldOf(pointer: string): string {
  const path = pointer.replace(/^[#$]/, "");
  if (!path.startsWith("/")) return path.replace(/^\./, "");
  return path
    .slice(1)
    .split("/")
    .map((name) => decoded(name).replaceAll("~1", "/").replaceAll("~0", "~"))
    .join(".");
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** A target's words on one line, with `…` where they repeat what was sent. */
export function withoutValues(words: string, sent: unknown): string {
  const values = [...new Set(leaves(sent))].sort((a, b) => b.length - a.length);
  const known = values.map((value) => value.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&")).join("|");
  const line = words
    .slice(0, 4_096)
    .replace(/[\p{C}\s]+/gu, " ")
    .trim();
  const repeated = new RegExp(`(?<![\\p{L}\\p{N}])(${known})(?![\\p{L}\\p{N}])`, "giu");
  const said = known === "" ? line : line.replace(repeated, "…");
  return said.length > mostCharacters ? `${said.slice(0, mostCharacters)}…` : said;
}

function leaves(value: unknown): string[] {
  if (typeof value === "object" && value !== null) return Object.values(value).flatMap(leaves);
  if (typeof value === "string") return value.trim() === "" ? [] : [value.trim()];
  return typeof value === "number" ? [String(value)] : [];
}
