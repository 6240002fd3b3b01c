import * as z from "zod";

const text = z.string().optional().catch(undefined);
const texts = z.array(z.string()).catch([]);

/**
 * Body of a refusal that describes errors, of single fields if it can.
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

/** Maximum number of fields in a reason. */
const maxFields = 5;

/** Maximum length of the text about one field, in UTF-16 code units. */
const maxTextLength = 160;

/**
 * Describes which fields a target refused and why, in the target's words, without the values that were sent:
 * `dailyRate: must be at most 500; address.zip: is required`.
 *
 * @param body of the refusal
 * @param sent the request's body, whose values a target often repeats
 * @returns undefined if the body is not a problem document
 */
export function describeProblem(body: string, sent: unknown): string | undefined {
  let raw: unknown;
  try {
    raw = JSON.parse(body);
  } catch {
    return undefined;
  }
  const problem = problemSchema.safeParse(raw);
  if (!problem.success) return undefined;
  const { title, detail, errors, "invalid-params": params } = problem.data;
  const fieldErrors = [
    ...errors.map((error) => ({ pointer: error.pointer, text: error.detail })),
    ...params.map(({ name, reason }) => ({ pointer: name, text: reason })),
  ].filter(({ pointer, text }) => pointer || text);
  const lines = fieldErrors.map(({ pointer, text }) => [pointer && fieldOf(pointer), text].filter(Boolean).join(": "));
  const shown = lines.length > 0 ? lines.slice(0, maxFields) : [detail ?? title ?? ""];
  const more = lines.length > maxFields ? [`and ${lines.length - maxFields} more`] : [];
  return [...shown.map((line) => redactValues(line, sent)), ...more].filter(Boolean).join("; ") || undefined;
}

/**
 * Converts a JSON pointer or a path to a packet's field name: both `#/address/zip` and `$.address.zip` become
 * `address.zip`.
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

/** Returns a target's text on one line, with `…` in place of each value that was sent. */
export function redactValues(text: string, sent: unknown): string {
  const values = [...new Set(leafValues(sent))].sort((a, b) => b.length - a.length);
  const pattern = values.map((value) => value.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&")).join("|");
  const line = text
    .slice(0, 4_096)
    .replace(/[\p{C}\s]+/gu, " ")
    .trim();
  const sentValue = new RegExp(`(?<![\\p{L}\\p{N}])(${pattern})(?![\\p{L}\\p{N}])`, "giu");
  const redacted = pattern === "" ? line : line.replace(sentValue, "…");
  return redacted.length > maxTextLength ? `${redacted.slice(0, maxTextLength)}…` : redacted;
}

function leafValues(value: unknown): string[] {
  if (typeof value === "object" && value !== null) return Object.values(value).flatMap(leafValues);
  if (typeof value === "string") return value.trim() === "" ? [] : [value.trim()];
  return typeof value === "number" ? [String(value)] : [];
}
