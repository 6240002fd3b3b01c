import { CsvError, parse } from "csv-parse/sync";
import { isJsonObject, type JsonObject } from "../../../bridge/values/json.ts";

/** What a file's rows look like. */
export interface RowsForm {
  readonly form: "csv" | "ndjson";
  readonly delimiter: string;
  /** The names of a CSV file's columns, where its first row is not they. */
  readonly columns?: readonly string[] | undefined;
}

/** A place between two rows of a file. */
export type Place = {
  readonly offset: number;
  /** Of the row behind it; the first is 1. */
  readonly line: number;
};

/** A row, and the line it begins with; or why it cannot be read, without a value of it. */
export type Row = { readonly line: number } & ({ readonly data: JsonObject } | Unreadable);

interface Unreadable {
  readonly fault: string;
  /** Its beginning, for the operator. */
  readonly text: string;
}

export interface Page {
  readonly rows: readonly Row[];
  /** Behind them; nothing where that is the file's end. */
  readonly next?: Place;
}

/** A longer row is not read. Source: the inbound door's limit. */
const maxRowBytes = 262_144;

/** Of a row that cannot be read so much is kept. bytes */
const textKept = 2_048;

/**
 * Rows of a file in UTF-8, each for itself: one that cannot be read takes nothing from those behind it.
 *
 * @param from the file's beginning, or what an earlier page gave as `next`
 * @param most how many rows
 */
export function pageOf(bytes: Buffer, form: RowsForm, from: Place, most: number): Page {
  return form.form === "csv" ? csvPage(bytes, form, from, most) : jsonPage(bytes, from, most);
}

function jsonPage(bytes: Buffer, from: Place, most: number): Page {
  const reading = new Reading(bytes, from);
  const rows: Row[] = [];
  for (reading.passEmptyLines(); !reading.isOver && rows.length < most; reading.passEmptyLines()) {
    const { line, offset } = reading.place;
    const end = reading.lineEnd();
    rows.push({ line, ...jsonRow(bytes.toString("utf8", offset, end), end - offset) });
    reading.pass(end);
  }
  return page(rows, reading);
}

function jsonRow(text: string, size: number): { data: JsonObject } | Unreadable {
  if (size > maxRowBytes) return unreadable(tooLarge, text);
  if (text.includes(noCharacter)) return unreadable(notUtf8, text);
  try {
    const data: unknown = JSON.parse(text);
    return isJsonObject(data) ? { data } : unreadable("is no JSON object", text);
  } catch {
    return unreadable("is not JSON", text);
  }
}

function csvPage(bytes: Buffer, { delimiter, columns }: RowsForm, from: Place, most: number): Page {
  const head = columns ? undefined : new Reading(bytes, start);
  const [first] = head ? csvRecords(head, delimiter, 1) : [];
  if (head && !first) return { rows: [] };
  const names = columns ?? (first && "cells" in first ? first.cells.map((name) => name.trim()) : []);
  const fault = headFault(names);
  if (first && fault !== undefined) return { rows: [{ line: first.line, ...unreadable(fault, first.text) }] };
  const reading = head && from.offset < head.place.offset ? head : new Reading(bytes, from);
  const rows = csvRecords(reading, delimiter, most).map(({ line, text, ...record }): Row => {
    if ("fault" in record) return { line, ...unreadable(record.fault, text) };
    const { cells } = record;
    if (cells.length !== names.length) {
      return { line, ...unreadable(`has ${cells.length} cells, and there are ${names.length} columns`, text) };
    }
    return { line, data: Object.fromEntries(names.map((name, i) => [name, cells[i] as string])) };
  });
  return page(rows, reading);
}

function headFault(names: readonly string[]): string | undefined {
  if (names.length === 0) return "is the head of the columns, and cannot be read";
  if (names.some((name) => name === "")) return "is the head of the columns, and has one without a name";
  return new Set(names).size < names.length ? "is the head of the columns, and has a name twice" : undefined;
}

/** A record as it stands in a file: its cells, or what is wrong with it. */
type CsvRecord = { readonly line: number; readonly text: string } & (
  | { readonly cells: readonly string[] }
  | { readonly fault: string }
);

/**
 * The next records of a CSV file. Behind one that cannot be read it goes on with the next line: a quote that is never
 * closed would else swallow the rest of the file.
 */
function csvRecords(reading: Reading, delimiter: string, most: number): CsvRecord[] {
  const records: CsvRecord[] = [];
  for (reading.passEmptyLines(); !reading.isOver && records.length < most; reading.passEmptyLines()) {
    const base = reading.place.offset;
    try {
      parse(reading.bytes.subarray(base), {
        delimiter,
        record_delimiter: ["\r\n", "\n"],
        relax_column_count: true,
        skip_empty_lines: true,
        max_record_size: maxRowBytes,
        to: most - records.length,
        on_record(cells: string[], { bytes }) {
          reading.passEmptyLines();
          const text = reading.text(base + bytes);
          const isText = !cells.some((cell) => cell.includes(noCharacter));
          records.push({ line: reading.place.line, text, ...(isText ? { cells } : { fault: notUtf8 }) });
          reading.pass(base + bytes);
        },
      });
    } catch (error) {
      if (!(error instanceof CsvError)) throw error;
      reading.passEmptyLines();
      const end = reading.lineEnd();
      records.push({ line: reading.place.line, text: reading.text(end), fault: faultOf(error) });
      reading.pass(end);
    }
  }
  return records;
}

function faultOf({ code }: CsvError): string {
  if (code === "CSV_QUOTE_NOT_CLOSED") return "opens a quote that is never closed";
  return code === "CSV_MAX_RECORD_SIZE" ? tooLarge : "has a quote where none may stand";
}

const tooLarge = `is larger than ${maxRowBytes} bytes`;
const notUtf8 = "holds what is no character of its encoding";
/** What stands for bytes that are no character. */
const noCharacter = "\u{fffd}";

function unreadable(fault: string, text: string): Unreadable {
  return { fault, text: text.slice(0, textKept) };
}

function page(rows: readonly Row[], { isOver, place }: Reading): Page {
  return { rows, ...(!isOver && { next: place }) };
}

const start: Place = { offset: 0, line: 1 };
const newline = 0x0a;

/** A file on its way from one row to the next. */
class Reading {
  readonly bytes: Buffer;
  #place: Place;

  constructor(bytes: Buffer, place: Place) {
    this.bytes = bytes;
    this.#place = place;
  }

  get place(): Place {
    return this.#place;
  }

  get isOver(): boolean {
    return this.#place.offset >= this.bytes.length;
  }

  /** Behind the line it is in. */
  lineEnd(): number {
    const end = this.bytes.indexOf(newline, this.#place.offset);
    return end < 0 ? this.bytes.length : end + 1;
  }

  /** What stands up to there, or the beginning of it. */
  text(end: number): string {
    const { offset } = this.#place;
    return this.bytes.toString("utf8", offset, Math.min(end, offset + textKept));
  }

  pass(end: number): void {
    let { line } = this.#place;
    const { bytes, place } = this;
    for (let at = bytes.indexOf(newline, place.offset); at >= 0 && at < end; at = bytes.indexOf(newline, at + 1))
      line++;
    this.#place = { offset: end, line };
  }

  passEmptyLines(): void {
    for (let end = this.lineEnd(); /^\r?\n$/.test(this.text(end)); end = this.lineEnd()) this.pass(end);
  }
}
