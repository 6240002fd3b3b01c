import * as z from "zod";
import { datePattern, numberSchema } from "./flat-file-values.ts";
import { type Encode, encoderOf, encodings } from "./text-encoding.ts";

/** One place of a line, and what stands there. */
const itemSchema = z
  .strictObject({
    field: z.string().min(1).optional().describe("The packet's field, as the sheet maps it."),
    text: z.string().optional().describe("Always the same."),
    is: z
      .enum(["packet", "entity", "action", "time", "number", "count"])
      .optional()
      .describe("A fact of the packet or of the file; count is how many detail lines there are."),
    total: z.string().min(1).optional().describe("The sum of a field over the detail lines."),
    from: z.int().min(1).optional().describe("fixed: its first position. Absent: right behind the item before."),
    width: z.int().min(1).optional().describe("fixed: its positions. delimited: how many characters at most."),
    align: z.enum(["left", "right"]).default("left").describe("What is no number stands here."),
    pad: z.string().length(1).default(" ").describe("What fills the rest. A number is filled with zeros."),
    number: numberSchema.optional().describe("How a number is written."),
    date: z
      .string()
      .regex(datePattern, "is made of YYYY YY MM DD DDD HH mm ss and - / . : T")
      .optional()
      .describe("How a date is written. DDD is the day of the year."),
    required: z.boolean().default(true).describe("Whether an upsert without it is refused; else it stays blank."),
  })
  .refine(
    ({ field, text, is, total }) => [field, text, is, total].filter((each) => each !== undefined).length === 1,
    "needs one of field, text, is and total, and no more than one",
  )
  .refine(({ number, date }) => !(number && date), "is a number or a date, and not both");

export type Item = z.output<typeof itemSchema>;

const items = z.array(itemSchema).min(1);

const lineKinds = {
  header: items.optional(),
  detail: items,
  trailer: items.optional(),
};

const fixedSchema = z.strictObject({
  form: z.literal("fixed"),
  length: z.int().min(1).max(32_760).optional().describe("Positions of every line. Absent: as many as its items take."),
  ...lineKinds,
});

const delimitedSchema = z.strictObject({
  form: z.literal("delimited"),
  delimiter: z.string().length(1).default("|"),
  quote: z
    .enum(["never", "needed", "always"])
    .default("never")
    .describe("never: a value that holds the delimiter or a quotation mark is refused."),
  ...lineKinds,
});

/** What the lines of a flat file look like. */
export const layoutSchema = z
  .strictObject({
    encoding: z.enum(encodings).default("ascii").describe("cp037 is EBCDIC."),
    lineEnd: z.enum(["crlf", "lf", "none"]).default("crlf"),
    records: z
      .string()
      .min(1)
      .optional()
      .describe("The packet's field that holds a list of records, a detail line each. Absent: the packet is the one."),
    actions: z
      .strictObject({ upsert: z.string().default("U"), delete: z.string().default("D") })
      .prefault({})
      .describe("How { is: action } says them."),
    lines: z.discriminatedUnion("form", [fixedSchema, delimitedSchema]),
  })
  .superRefine((layout, check) => {
    for (const message of faultsOf(layout)) check.addIssue({ code: "custom", path: ["lines"], message });
  });

export type Layout = z.output<typeof layoutSchema>;

/** An item of a fixed line, and its positions: from inclusive, counted from 0. */
export interface Placed {
  readonly item: Item;
  readonly from: number;
  readonly width: number;
}

/** Where the items of a fixed line stand. */
export function placesOf(items: readonly Item[]): Placed[] {
  let next = 0;
  return items.map((item) => {
    const from = item.from === undefined ? next : item.from - 1;
    const width = item.width ?? 0;
    next = from + width;
    return { item, from, width };
  });
}

/** What a layout would get wrong whatever the packet. */
function faultsOf({ lines, encoding, lineEnd, actions }: Layout): string[] {
  const { header = [], detail, trailer = [] } = lines;
  const all = [...header, ...detail, ...trailer];
  const encode = encoderOf(encoding);
  const constants = [...all.flatMap(({ text, pad }) => [text ?? "", pad]), actions.upsert, actions.delete];
  return [
    ...(lines.form === "fixed" && encoding === "utf-8"
      ? ["are fixed, and utf-8 has characters of several bytes; use another encoding"]
      : []),
    ...(lines.form === "delimited" && lineEnd === "none" ? ["are delimited, and need a line end"] : []),
    ...(constants.every((text) => isPlain(text, encode)) ? [] : [`hold a character ${encoding} does not have`]),
    ...(detail.some(({ total, is }) => total !== undefined || is === "count")
      ? ["have a total among the details"]
      : []),
    ...[...header, ...trailer].flatMap(({ total, number }) =>
      total !== undefined && !number ? [`have a total of ${total} and do not say number`] : [],
    ),
    ...(lines.form === "fixed" ? [header, detail, trailer].flatMap((each) => placeFaults(each, lines.length)) : []),
  ];
}

function placeFaults(items: readonly Item[], length = Number.MAX_SAFE_INTEGER): string[] {
  const places = placesOf(items);
  return places.flatMap(({ item, from, width }, i) => {
    const name = nameOf(item);
    const before = places[i - 1];
    if (item.width === undefined) return [`do not say the width of ${name}`];
    if (before && from < before.from + before.width)
      return [`have ${name} begin at ${from + 1}, inside the item before`];
    if (from + width > length) return [`have ${name} end at ${from + width}, behind the length of ${length}`];
    if ((item.text ?? "").length > width) return [`have a text that is longer than its width of ${width}`];
    return [];
  });
}

/** What an item is called in a fault. */
export function nameOf({ field, text, is, total }: Item): string {
  return field ?? is ?? (total === undefined ? `"${text}"` : `the total of ${total}`);
}

/** Whether a text can be written in an encoding, and would not end its line. */
export function isPlain(text: string, encode: Encode): boolean {
  return !/\p{Cc}/u.test(text) && encode(text) !== undefined;
}
