import type { Packet } from "../../../bridge/model/packet.ts";
import { isJsonObject, type Json, type JsonObject } from "../../../bridge/values/json.ts";
import { csvText } from "./csv.ts";
import { type Item, isPlain, type Layout, nameOf, placesOf } from "./flat-file-layout.ts";
import { dateText, type FlatFileIssue, isIssue, numberText, scaledOf } from "./flat-file-values.ts";
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
  const stray = strayField(packet, records, layout);
  if (stray !== undefined) return { fault: `${stray} has no place in the layout` };
  const { header, detail, trailer } = layout.lines;
  if (packet.action === "delete" && !detail.some(({ is }) => is === "action")) {
    return { fault: "the layout has no { is: action }, so it cannot say that something is deleted" };
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
  if (!Array.isArray(list) || list.length === 0) return { fault: `${name} is not a list of records` };
  return list.every(isJsonObject) ? list : { fault: `${name} holds something that is no record` };
}

/** Returns the first field of the packet that the layout has no item for. */
function strayField({ fields }: Packet, records: readonly JsonObject[], { records: list, lines }: Layout) {
  const { header = [], detail, trailer = [] } = lines;
  const namesIn = (items: readonly Item[]) => items.flatMap(({ field, total }) => field ?? total ?? []);
  const inDetail = new Set(namesIn(detail));
  const inFile = new Set([...namesIn(header), ...namesIn(trailer), ...(list === undefined ? inDetail : [list])]);
  const strayIn = (names: ReadonlySet<string>, record: JsonObject) =>
    Object.keys(record).find((key) => !names.has(key));
  if (list === undefined) return strayIn(inFile, fields);
  return strayIn(inFile, fields) ?? records.map((record) => strayIn(inDetail, record)).find((name) => name);
}

/** Returns the cells of one line. A fixed-width line is a single cell. */
function lineOf(items: readonly Item[], fields: JsonObject, context: FileContext): string[] | FlatFileIssue {
  const { lines, encoding } = context.layout;
  const encode = encoderOf(encoding);
  const cells: string[] = [];
  for (const item of items) {
    const text = cellOf(item, fields, context);
    const fault = isIssue(text) ? text.fault : fitFault(text, item, context);
    if (fault !== undefined) return { fault: `${nameOf(item)} ${fault}` };
    if (!isPlain(text as string, encode)) {
      return { fault: `${nameOf(item)} holds a control character, or one that ${encoding} does not have` };
    }
    cells.push(text as string);
  }
  if (lines.form === "delimited") return cells;
  const places = placesOf(items);
  const length = lines.length ?? Math.max(...places.map(({ from, width }) => from + width));
  let line = "";
  for (const [i, { item, from, width }] of places.entries()) {
    const cell = cells[i] as string;
    line = line.padEnd(from) + (item.align === "right" ? cell.padStart(width, item.pad) : cell.padEnd(width, item.pad));
  }
  return [line.padEnd(length)];
}

function fitFault(text: string, { width }: Item, { layout: { lines } }: FileContext): string | undefined {
  if (width !== undefined && text.length > width) return `takes ${text.length} positions, and has ${width}`;
  const isCut =
    lines.form === "delimited" && lines.quote === "never" && /["]/.test(text.replaceAll(lines.delimiter, '"'));
  return isCut ? "holds the delimiter or a quotation mark" : undefined;
}

function cellOf(item: Item, fields: JsonObject, context: FileContext): string | FlatFileIssue {
  const { number, date, width, required } = item;
  const isFixed = context.layout.lines.form === "fixed";
  if (item.text !== undefined) return item.text;
  if (item.total !== undefined) return totalOf(item, item.total, context);
  const value = item.field === undefined ? factOf(item, context) : fields[item.field];
  if (value === undefined || value === null || value === "") {
    const isMissing = value === undefined && required && context.packet.action === "upsert";
    return isMissing ? { fault: "is missing; let the sheet send it (send: full), or say required: false" } : "";
  }
  if (typeof value === "object") return { fault: "is a list or an object, and a place takes one value" };
  if (date !== undefined) return dateText(value, date);
  if (!number) return String(value);
  const scaled = scaledOf(value, number.decimals);
  return isIssue(scaled) ? scaled : numberText(scaled, number, isFixed ? width : undefined);
}

function factOf({ is, date }: Item, { packet, layout, records, number }: FileContext): Json {
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
function totalOf({ number, width }: Item, field: string, { records, layout }: FileContext): string | FlatFileIssue {
  if (!number) return { fault: "does not say number" };
  let sum = 0n;
  for (const record of records) {
    const scaled = scaledOf(record[field] ?? 0, number.decimals);
    if (isIssue(scaled)) return scaled;
    sum += scaled;
  }
  return numberText(sum, number, layout.lines.form === "fixed" ? width : undefined);
}

function textOf(lines: readonly string[][], { lines: { ...form }, lineEnd: end }: Layout): string {
  const lineEnd = lineEnds[end];
  if (form.form === "fixed") return lines.map(([line]) => line + lineEnd).join("");
  const { delimiter, quote } = form;
  if (quote === "never") return lines.map((cells) => cells.join(delimiter) + lineEnd).join("");
  return csvText(lines, { delimiter, quote, lineEnd });
}
