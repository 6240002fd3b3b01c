// Reads the rows of a CSV or NDJSON file page by page. An unreadable row does not affect the rows after it.
import { CsvError, parse } from "csv-parse/sync";
import { isJsonObject, type JsonObject } from "../../../bridge/values/json.ts";

/** Format of a file's rows. */
export interface RowFormat {
  readonly form: "csv" | "ndjson";
  readonly delimiter: string;
  /** Column names of a CSV file without a header row. */
  readonly columns?: readonly string[] | undefined;
}

/** Start of a row in a file. */
export type FilePosition = {
  /** bytes */
  readonly offset: number;
  /** Line number, counted from 1. */
  readonly line: number;
};

/** A row with the number of its first line, or the reason why it is unreadable. */
export type Row = { readonly line: number } & ({ readonly data: JsonObject } | Unreadable);

interface Unreadable {
  /** Continuation of "line 3 …", without any of the row's values. */
  readonly issue: string;
  /** First 2,048 characters of the row, for the operator. */
  readonly text: string;
}

export interface Page {
  readonly rows: readonly Row[];
  /** Position after the rows. Absent at the end of the file. */
  readonly next?: FilePosition;
}

/** Size limit of a row. Source: the size limit of an inbound webhook. */
const maxRowBytes = 262_144;

/** Characters kept of an unreadable row. */
const keptCharacters = 2_048;

/**
 * Reads the next rows of a UTF-8 file.
 *
 * @param from the start of the file, or `next` of the previous page
 */
export function readPage(bytes: Buffer, format: RowFormat, from: FilePosition, maxRows: number): Page {
  return format.form === "csv" ? csvPage(bytes, format, from, maxRows) : jsonPage(bytes, from, maxRows);
}

function jsonPage(bytes: Buffer, from: FilePosition, maxRows: number): Page {
  const cursor = new Cursor(bytes, from);
  const rows: Row[] = [];
  for (cursor.skipEmptyLines(); !cursor.isAtEnd && rows.length < maxRows; cursor.skipEmptyLines()) {
    const { line, offset } = cursor.position;
    const end = cursor.lineEnd();
    rows.push({ line, ...jsonRow(bytes.toString("utf8", offset, end), end - offset) });
    cursor.advanceTo(end);
  }
  return pageAt(cursor, rows);
}

function jsonRow(text: string, size: number): { data: JsonObject } | Unreadable {
  if (size > maxRowBytes) return unreadable(tooLarge, text);
  if (text.includes(replacementCharacter)) return unreadable(wrongEncoding, text);
  try {
    const data: unknown = JSON.parse(text);
    return isJsonObject(data) ? { data } : unreadable("is not a JSON object", text);
  } catch {
    return unreadable("is not JSON", text);
  }
}

function csvPage(bytes: Buffer, { delimiter, columns }: RowFormat, from: FilePosition, maxRows: number): Page {
  const start = columns ? undefined : new Cursor(bytes, fileStart);
  const [header] = start ? csvRecords(start, delimiter, 1) : [];
  if (start && !header) return { rows: [] };
  const names = columns ?? (header && "cells" in header ? header.cells.map((name) => name.trim()) : []);
  const issue = headerIssue(names);
  if (header && issue !== undefined) return { rows: [{ line: header.line, ...unreadable(issue, header.text) }] };
  // On the first page, `start` is now after the header row.
  const cursor = start && from.offset < start.position.offset ? start : new Cursor(bytes, from);
  return pageAt(
    cursor,
    csvRecords(cursor, delimiter, maxRows).map((record) => csvRow(record, names)),
  );
}

function csvRow({ line, text, ...record }: CsvRecord, names: readonly string[]): Row {
  if ("issue" in record) return { line, ...unreadable(record.issue, text) };
  const { cells } = record;
  if (cells.length !== names.length) {
    const count = `${cells.length} ${cells.length === 1 ? "cell" : "cells"}`;
    return { line, ...unreadable(`has ${count} instead of ${names.length}`, text) };
  }
  return { line, data: Object.fromEntries(names.map((name, i) => [name, cells[i] as string])) };
}

function headerIssue(names: readonly string[]): string | undefined {
  if (names.length === 0) return "is the header row and cannot be read";
  if (names.some((name) => name === "")) return "is the header row and has a column without a name";
  return new Set(names).size < names.length ? "is the header row and has a duplicate name" : undefined;
}

/** Raw record of a CSV file: its cells, or an issue. */
type CsvRecord = { readonly line: number; readonly text: string } & (
  | { readonly cells: readonly string[] }
  | { readonly issue: string }
);

/**
 * Reads the next records of a CSV file.
 *
 * After an unreadable record it continues with the next line: otherwise, a quote that is never closed would consume the
 * rest of the file.
 */
function csvRecords(cursor: Cursor, delimiter: string, maxRecords: number): CsvRecord[] {
  const records: CsvRecord[] = [];
  for (cursor.skipEmptyLines(); !cursor.isAtEnd && records.length < maxRecords; cursor.skipEmptyLines()) {
    const base = cursor.position.offset;
    try {
      parse(cursor.bytes.subarray(base), {
        delimiter,
        record_delimiter: ["\r\n", "\n"],
        relax_column_count: true,
        skip_empty_lines: true,
        max_record_size: maxRowBytes,
        to: maxRecords - records.length,
        on_record(cells: string[], { bytes }) {
          cursor.skipEmptyLines();
          const text = cursor.textUpTo(base + bytes);
          const isValid = !cells.some((cell) => cell.includes(replacementCharacter));
          records.push({ line: cursor.position.line, text, ...(isValid ? { cells } : { issue: wrongEncoding }) });
          cursor.advanceTo(base + bytes);
        },
      });
    } catch (error) {
      if (!(error instanceof CsvError)) throw error;
      cursor.skipEmptyLines();
      const end = cursor.lineEnd();
      records.push({ line: cursor.position.line, text: cursor.textUpTo(end), issue: issueOf(error) });
      cursor.advanceTo(end);
    }
  }
  return records;
}

function issueOf({ code }: CsvError): string {
  if (code === "CSV_QUOTE_NOT_CLOSED") return "opens a quote that is never closed";
  return code === "CSV_MAX_RECORD_SIZE" ? tooLarge : "has a misplaced quote";
}

const tooLarge = `is larger than ${maxRowBytes} bytes`;
const wrongEncoding = "contains bytes that are invalid in its encoding";
/** Decoders substitute this character for invalid bytes. */
const replacementCharacter = "\u{fffd}";

function unreadable(issue: string, text: string): Unreadable {
  return { issue, text: text.slice(0, keptCharacters) };
}

function pageAt({ isAtEnd, position }: Cursor, rows: readonly Row[]): Page {
  return { rows, ...(!isAtEnd && { next: position }) };
}

const fileStart: FilePosition = { offset: 0, line: 1 };
const newline = 0x0a;

/** Position in a file that moves forward from row to row. */
class Cursor {
  readonly bytes: Buffer;
  #position: FilePosition;

  constructor(bytes: Buffer, position: FilePosition) {
    this.bytes = bytes;
    this.#position = position;
  }

  get position(): FilePosition {
    return this.#position;
  }

  get isAtEnd(): boolean {
    return this.#position.offset >= this.bytes.length;
  }

  /** Returns the offset after the current line. */
  lineEnd(): number {
    const end = this.bytes.indexOf(newline, this.#position.offset);
    return end < 0 ? this.bytes.length : end + 1;
  }

  /** Returns the text up to an offset, at most 2,048 bytes of it. */
  textUpTo(end: number): string {
    const { offset } = this.#position;
    return this.bytes.toString("utf8", offset, Math.min(end, offset + keptCharacters));
  }

  advanceTo(end: number): void {
    const { bytes, position } = this;
    let { line } = position;
    for (let at = bytes.indexOf(newline, position.offset); at >= 0 && at < end; at = bytes.indexOf(newline, at + 1))
      line++;
    this.#position = { offset: end, line };
  }

  skipEmptyLines(): void {
    for (let end = this.lineEnd(); /^\r?\n$/.test(this.textUpTo(end)); end = this.lineEnd()) this.advanceTo(end);
  }
}
