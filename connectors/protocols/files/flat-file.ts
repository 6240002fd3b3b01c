import type { Packet } from "../../../bridge/model/packet.ts";
import { isJsonObject, type Json, type JsonObject } from "../../../bridge/values/json.ts";
import { csvText } from "./csv.ts";
import { isEncodable, itemName, type Layout, type LayoutItem, positionsOf } from "./flat-file-layout.ts";
import { type FlatFileIssue, formatDate, formatNumber, isIssue, scaleNumber } from "./flat-file-values.ts";
import { encoderOf } from "./text-encoding.ts";

const lineEnds = { crlf: "\r\n", lf: "\n", none: "" } as const;

/**
 * Builds the file for one packet in the given layout: header, one detail line per record, trailer.
 *
 * The same packet, layout and number always give the same bytes.
 *
 * @returns the file, or an issue that names the field if a value does not fit; values are never truncated
 */
export function flatFile(packet: Packet, layout: Layout, number: number): Buffer | FlatFileIssue {
  const records = recordsOf(packet, layout);
  if (isIssue(records)) return records;
  const unmapped = unmappedField(packet, records, layout);
  if (unmapped !== undefined) return { issue: `${unmapped} is not in the layout` };
  const { header, detail, trailer } = layout.lines;
  if (packet.action === "delete" && !detail.some(({ is }) => is === "action")) {
    return { issue: "the layout has no { is: action } item, so it cannot express a deletion" };
  }
  const context: FileContext = { packet, layout, records, number };
  const lines: string[][] = [];
  for (const [items, fields] of [
    ...(header ? [[header, packet.fields] as const] : []),
    ...records.map((record) => [detail, record] as const),
    ...(trailer ? [[trailer, packet.fields] as const] : []),
  ]) {
    const line = lineOf(items, fields, context);
    if (isIssue(line)) return line;
    lines.push(line);
  }
  return encoderOf(layout.encoding)(textOf(lines, layout)) as Buffer;
}

/** Inputs for the items of one file. */
interface FileContext {
  readonly packet: Packet;
  readonly layout: Layout;
  readonly records: readonly JsonObject[];
  readonly number: number;
}

function recordsOf({ fields, action }: Packet, { records: name }: Layout): JsonObject[] | FlatFileIssue {
  if (name === undefined || action === "delete") return [fields];
  const list = fields[name];
  if (!Array.isArray(list) || list.length === 0) return { issue: `${name} is not a list of records, or is empty` };
  return list.every(isJsonObject) ? list : { issue: `${name} contains a value that is not a record` };
}

/** Returns the name of the first field of the packet that the layout has no item for. */
function unmappedField({ fields }: Packet, records: readonly JsonObject[], { records: list, lines }: Layout) {
  const { header = [], detail, trailer = [] } = lines;
  const namesIn = (items: readonly LayoutItem[]) => items.flatMap(({ field, total }) => field ?? total ?? []);
  const inDetail = new Set(namesIn(detail));
  const inFile = new Set([...namesIn(header), ...namesIn(trailer), ...(list === undefined ? inDetail : [list])]);
  const unmappedIn = (names: ReadonlySet<string>, record: JsonObject) =>
    Object.keys(record).find((key) => !names.has(key));
  if (list === undefined) return unmappedIn(inFile, fields);
  return unmappedIn(inFile, fields) ?? records.map((record) => unmappedIn(inDetail, record)).find((name) => name);
}

/** Returns the cells of one line. A fixed-width line is a single cell. */
function lineOf(items: readonly LayoutItem[], fields: JsonObject, context: FileContext): string[] | FlatFileIssue {
  const { lines, encoding } = context.layout;
  const encode = encoderOf(encoding);
  const cells: string[] = [];
  for (const item of items) {
    const text = cellOf(item, fields, context);
    const issue = isIssue(text) ? text.issue : fitIssue(text, item, context);
    if (issue !== undefined) return { issue: `${itemName(item)} ${issue}` };
    if (!isEncodable(text as string, encode)) {
      return { issue: `${itemName(item)} contains a control character, or a character that ${encoding} lacks` };
    }
    cells.push(text as string);
  }
  return lines.form === "delimited" ? cells : [fixedWidthLine(items, cells, lines.length)];
}

/** Places cells at the positions of their items. Blanks fill the gaps and the rest of the line. */
function fixedWidthLine(items: readonly LayoutItem[], cells: readonly string[], length: number | undefined): string {
  const positions = positionsOf(items);
  let line = "";
  for (const [i, { item, from, width }] of positions.entries()) {
    const cell = cells[i] as string;
    line = line.padEnd(from) + (item.align === "right" ? cell.padStart(width, item.pad) : cell.padEnd(width, item.pad));
  }
  return line.padEnd(length ?? Math.max(...positions.map(({ from, width }) => from + width)));
}

/** Returns why a text does not fit its item, if it does not. */
function fitIssue(text: string, { width }: LayoutItem, { layout: { lines } }: FileContext): string | undefined {
  if (width !== undefined && text.length > width) return `needs ${text.length} positions but has ${width}`;
  const mustQuote = lines.form === "delimited" && (text.includes(lines.delimiter) || text.includes('"'));
  return mustQuote && lines.quote === "never" ? "contains the delimiter or a quotation mark" : undefined;
}

function cellOf(item: LayoutItem, fields: JsonObject, context: FileContext): string | FlatFileIssue {
  const { number, date, width, required } = item;
  const isFixed = context.layout.lines.form === "fixed";
  if (item.text !== undefined) return item.text;
  if (item.total !== undefined) return totalOf(item, item.total, context);
  const value = item.field === undefined ? factOf(item, context) : fields[item.field];
  if (value === undefined || value === null || value === "") {
    const isMissing = value === undefined && required && context.packet.action === "upsert";
    return isMissing ? { issue: "is missing; set send: full in the sheet, or required: false in the layout" } : "";
  }
  if (typeof value === "object") return { issue: "is a list or an object; an item takes a single value" };
  if (date !== undefined) return formatDate(value, date);
  if (!number) return String(value);
  const scaled = scaleNumber(value, number.decimals);
  return isIssue(scaled) ? scaled : formatNumber(scaled, number, isFixed ? width : undefined);
}

function factOf({ is, date }: LayoutItem, { packet, layout, records, number }: FileContext): Json {
  switch (is) {
    case "packet":
      return packet.id;
    case "entity":
      return packet.entity;
    case "action":
      return layout.actions[packet.action];
    case "time": {
      const time = new Date(packet.version.time).toISOString();
      return date === undefined ? time.slice(0, 10).replaceAll("-", "") : time;
    }
    case "count":
      return records.length;
    default:
      return number;
  }
}

/** Returns the exact sum of a field over all records. A record without the field counts as 0. */
function totalOf(
  { number, width }: LayoutItem,
  field: string,
  { records, layout }: FileContext,
): string | FlatFileIssue {
  if (!number) return { issue: "has no number format" };
  let sum = 0n;
  for (const record of records) {
    const scaled = scaleNumber(record[field] ?? 0, number.decimals);
    if (isIssue(scaled)) return scaled;
    sum += scaled;
  }
  return formatNumber(sum, number, layout.lines.form === "fixed" ? width : undefined);
}

function textOf(lines: readonly string[][], layout: Layout): string {
  const lineEnd = lineEnds[layout.lineEnd];
  if (layout.lines.form === "fixed") return lines.map(([line]) => line + lineEnd).join("");
  const { delimiter, quote } = layout.lines;
  if (quote === "never") return lines.map((cells) => cells.join(delimiter) + lineEnd).join("");
  return csvText(lines, { delimiter, quote, lineEnd });
}
