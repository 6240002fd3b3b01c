// Layout of a flat file: the configuration schema, and checks that do not depend on a packet.
import * as z from "zod";
import { datePattern, numberSchema } from "./flat-file-values.ts";
import { type Encode, encoderOf, encodings } from "./text-encoding.ts";

const itemSchema = z
  .strictObject({
    field: z.string().min(1).optional().describe("The packet's field, as the sheet maps it."),
    text: z.string().optional().describe("A constant text."),
    is: z
      .enum(["packet", "entity", "action", "time", "number", "count"])
      .optional()
      .describe("A fact about the packet or the file. count: the number of detail lines."),
    total: z.string().min(1).optional().describe("The sum of this field over all detail lines."),
    from: z.int().min(1).optional().describe("fixed: the first position. Default: right after the previous item."),
    width: z
      .int()
      .min(1)
      .optional()
      .describe("fixed: the number of positions. delimited: the maximum number of characters."),
    align: z.enum(["left", "right"]).default("left").describe("Alignment of text. A number fills its width."),
    pad: z
      .string()
      .length(1)
      .default(" ")
      .describe("The character that fills the rest of the width. A number is filled with zeros."),
    number: numberSchema.optional().describe("Number format."),
    date: z
      .string()
      .regex(datePattern, "may contain only YYYY YY MM DD DDD HH mm ss, blanks and - / . : T")
      .optional()
      .describe("Date format. DDD is the day of the year."),
    required: z
      .boolean()
      .default(true)
      .describe("true: an upsert without the field is refused. false: the item is left blank."),
  })
  .refine(
    ({ field, text, is, total }) => [field, text, is, total].filter((each) => each !== undefined).length === 1,
    "needs exactly one of field, text, is and total",
  )
  .refine(({ number, date }) => !(number && date), "has both number and date; keep one");

/** One value of a line, with its position and format. */
export type LayoutItem = z.output<typeof itemSchema>;

const items = z.array(itemSchema).min(1);

const lineKinds = {
  header: items.optional(),
  detail: items,
  trailer: items.optional(),
};

const fixedSchema = z.strictObject({
  form: z.literal("fixed"),
  length: z
    .int()
    .min(1)
    .max(32_760)
    .optional()
    .describe("Positions of every line. Default: the line ends with its last item."),
  ...lineKinds,
});

const delimitedSchema = z.strictObject({
  form: z.literal("delimited"),
  delimiter: z.string().length(1).default("|"),
  quote: z
    .enum(["never", "needed", "always"])
    .default("never")
    .describe("never: a value that contains the delimiter or a quotation mark is refused."),
  ...lineKinds,
});

/** Layout of a flat file, as in a connector's configuration. */
export const layoutSchema = z
  .strictObject({
    encoding: z.enum(encodings).default("ascii").describe("cp037 is EBCDIC."),
    lineEnd: z.enum(["crlf", "lf", "none"]).default("crlf"),
    records: z
      .string()
      .min(1)
      .optional()
      .describe(
        "The packet's field that contains a list of records, one detail line each. Default: the packet is the only record.",
      ),
    actions: z
      .strictObject({ upsert: z.string().default("U"), delete: z.string().default("D") })
      .prefault({})
      .describe("The texts that { is: action } writes."),
    lines: z.discriminatedUnion("form", [fixedSchema, delimitedSchema]),
  })
  .superRefine((layout, check) => {
    for (const message of layoutIssues(layout)) check.addIssue({ code: "custom", path: ["lines"], message });
  });

export type Layout = z.output<typeof layoutSchema>;

/** An item of a fixed-width line with its first position, counted from 0. */
export interface PositionedItem {
  readonly item: LayoutItem;
  readonly from: number;
  readonly width: number;
}

/** Computes the positions of the items of a fixed-width line. */
export function positionsOf(items: readonly LayoutItem[]): PositionedItem[] {
  let next = 0;
  return items.map((item) => {
    const from = item.from === undefined ? next : item.from - 1;
    const width = item.width ?? 0;
    next = from + width;
    return { item, from, width };
  });
}

/** Returns the issues of a layout that no packet could avoid. The messages continue "lines …". */
function layoutIssues({ lines, encoding, lineEnd, actions }: Layout): string[] {
  const { header = [], detail, trailer = [] } = lines;
  const all = [...header, ...detail, ...trailer];
  const encode = encoderOf(encoding);
  const constants = [...all.flatMap(({ text, pad }) => [text ?? "", pad]), actions.upsert, actions.delete];
  return [
    ...(lines.form === "fixed" && encoding === "utf-8"
      ? ["are fixed-width, and utf-8 characters vary in size; use another encoding"]
      : []),
    ...(lines.form === "delimited" && lineEnd === "none"
      ? ["are delimited and need a line end; set lineEnd to crlf or lf"]
      : []),
    ...(constants.every((text) => isEncodable(text, encode)) ? [] : [`contain a character that ${encoding} lacks`]),
    ...(detail.some(({ total, is }) => total !== undefined || is === "count")
      ? ["have a total or count in a detail line; move it to the header or the trailer"]
      : []),
    ...[...header, ...trailer].flatMap(({ total, number }) =>
      total !== undefined && !number ? [`have a total of ${total} without a number format; add "number:"`] : [],
    ),
    ...(lines.form === "fixed" ? [header, detail, trailer].flatMap((each) => positionIssues(each, lines.length)) : []),
  ];
}

function positionIssues(items: readonly LayoutItem[], length = Number.MAX_SAFE_INTEGER): string[] {
  const positions = positionsOf(items);
  return positions.flatMap(({ item, from, width }, i) => {
    const name = itemName(item);
    const previous = positions[i - 1];
    if (item.width === undefined) return [`lack the width of ${name}`];
    if (previous && from < previous.from + previous.width)
      return [`overlap: ${name} begins at position ${from + 1}, inside the previous item`];
    if (from + width > length) return [`exceed their length of ${length}: ${name} ends at position ${from + width}`];
    if ((item.text ?? "").length > width) return [`have a text that is longer than its width of ${width}`];
    return [];
  });
}

/** Returns an item's name for messages. */
export function itemName({ field, text, is, total }: LayoutItem): string {
  return field ?? is ?? (total === undefined ? `"${text}"` : `the total of ${total}`);
}

/** Returns true if a text has no control character, such as a line end, and only characters that the encoding has. */
export function isEncodable(text: string, encode: Encode): boolean {
  return !/\p{Cc}/u.test(text) && encode(text) !== undefined;
}
