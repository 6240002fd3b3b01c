import type { Packet } from "../../../bridge/model/packet.ts";
import { isJsonObject, type Json, type JsonObject } from "../../../bridge/values/json.ts";
import { csvText } from "./csv.ts";
import { type Item, isPlain, type Layout, nameOf, placesOf } from "./flat-file-layout.ts";
import { dateText, type FlatFileIssue, isIssue, numberText, scaledOf } from "./flat-file-values.ts";
import { encoderOf } from "./text-encoding.ts";

const lineEnds = { crlf: "\r\n", lf: "\n", none: "" } as const;

/**
 * The file of a packet, as its layout has it: header, a detail line a record, trailer. The same packet and number make
 * the same bytes, whenever they are asked for.
 *
 * @returns a fault that names the field, where a value does not fit: nothing is ever cut
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
  const desk: FileContext = { packet, layout, records, number };
  const lines: string[][] = [];
  for (const [items, fields] of [
    ...(header ? [[header, packet.fields] as const] : []),
    ...records.map((record) => [detail, record] as const),
    ...(trailer ? [[trailer, packet.fields] as const] : []),
  ]) {
    const line = lineOf(items, fields, desk);
    if (isIssue(line)) return line;
    lines.push(line);
  }
  return encoderOf(layout.encoding)(textOf(lines, layout)) as Buffer;
}

/** What the items of a file are taken from. */
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

/** A field nobody would write: the packet was mapped for something this layout does not have. */
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

/** A line's cells: for a fixed line just one, of all its positions. */
function lineOf(items: readonly Item[], fields: JsonObject, desk: FileContext): string[] | FlatFileIssue {
  const { lines, encoding } = desk.layout;
  const encode = encoderOf(encoding);
  const cells: string[] = [];
  for (const item of items) {
    const text = cellOf(item, fields, desk);
    const fault = isIssue(text) ? text.fault : fitFault(text, item, desk);
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

function cellOf(item: Item, fields: JsonObject, desk: FileContext): string | FlatFileIssue {
  const { number, date, width, required } = item;
  const isFixed = desk.layout.lines.form === "fixed";
  if (item.text !== undefined) return item.text;
  if (item.total !== undefined) return totalOf(item, item.total, desk);
  const value = item.field === undefined ? factOf(item, desk) : fields[item.field];
  if (value === undefined || value === null || value === "") {
    const isMissing = value === undefined && required && desk.packet.action === "upsert";
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

/** The sum of a field, to the last decimal. What a record lacks counts nothing. */
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
