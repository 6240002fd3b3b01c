import type { SourceEvent } from "../model/event.ts";
import type { FileVersion, Roster } from "../model/roster.ts";
import { FileError, type FilesPort } from "../ports/files.ts";
import { isJsonObject, jsonIssue } from "../values/json.ts";
import type { Element } from "./map-event.ts";
import type { Match } from "./match-targets.ts";

/** Maximum number of roster elements that are expanded together. */
export const chunkSize = 500;
/** Largest chunk of a file, in bytes. */
const chunkBytes = 4_194_304;

/** Longest line of a roster file, in bytes. The packet of a longer line is held; the others are sent. */
export const maxLineBytes = 262_144;

/** Maximum number of bytes that one call to `cutLines` reads: a few seconds of work for a Lambda function. */
const maxCutBytes = 268_435_456;
/** Maximum number of chunks that one call to `cutLines` returns, so that their list fits into an event's record. */
const maxCutChunks = 1_000;

/**
 * Looks up the files of an event's rosters and pins their versions.
 *
 * @param known files to reuse, matched by address, instead of looking up their current versions
 */
export async function findRosters(
  files: FilesPort,
  event: SourceEvent,
  matches: readonly Match[],
  known: readonly Roster[] = [],
): Promise<Roster[]> {
  const found = matches.map(async ({ target }, match): Promise<Roster[]> => {
    if (!target.ndjson) return [];
    const address = target.forEach?.(event.data);
    if (typeof address !== "string") return [{ match, fault: `${target.forEachPath} is not a file address` }];
    const same = known.find((roster) => "address" in roster && roster.address === address);
    if (same) return [{ ...same, match }];
    try {
      return [{ match, ...(await files.find(address)) }];
    } catch (error) {
      if (error instanceof FileError) return [{ match, fault: `${target.forEachPath}: ${withRemedy(error)}` }];
      throw error;
    }
  });
  return (await Promise.all(found)).flat();
}

/** Returns the reason a roster is held and the remedy. */
export function withRemedy({ what }: FileError): string {
  return `${what}; fix this, and publish the event again with a new id`;
}

/** A range of lines in a file, by byte offsets: `from` inclusive, `to` exclusive. */
export interface Lines {
  /** Number of the first line, counted from 0. */
  readonly first: number;
  readonly from: number;
  /** If absent, the range ends with the file and is not cut into chunks yet. */
  readonly to?: number;
}

/**
 * Cuts a range of lines into chunks, up to the limits of one call. A remainder is returned as the last range, without
 * `to`.
 *
 * @param maxChunks maximum number of chunks to return
 */
export async function cutLines(
  files: FilesPort,
  file: FileVersion,
  lines: Lines,
  maxChunks: number = maxCutChunks,
): Promise<Lines[]> {
  const chunks: Lines[] = [];
  let start = lines;
  let read = lines.from;
  let number = lines.first;
  for await (const block of files.read(file, { from: lines.from, to: file.bytes })) {
    let here = 0;
    for (let newline = block.indexOf(10); newline >= 0; newline = block.indexOf(10, here)) {
      here = newline + 1;
      number++;
      const to = read + here;
      if (number - start.first < chunkSize && to - start.from < chunkBytes) continue;
      chunks.push({ ...start, to });
      start = { first: number, from: to };
      if (chunks.length < maxChunks && to - lines.from < maxCutBytes) continue;
      return to < file.bytes ? [...chunks, start] : chunks;
    }
    read += block.length;
  }
  return start.from < file.bytes ? [...chunks, { ...start, to: file.bytes }] : chunks;
}

/**
 * Reads the elements in a range of lines, in order. An invalid line becomes an element with an `issue`; empty ones are
 * skipped.
 */
export async function elementsIn(files: FilesPort, file: FileVersion, lines: Required<Lines>): Promise<Element[]> {
  const elements: Element[] = [];
  for await (const line of linesIn(files, file, lines)) {
    const element = elementIn(line);
    if (element) elements.push(element);
  }
  return elements;
}

/** Reads the element on the first line of a range. */
export async function elementAt(files: FilesPort, file: FileVersion, lines: Required<Lines>): Promise<Element[]> {
  // Reads at most the longest allowed line.
  const to = Math.min(lines.to, lines.from + maxLineBytes + 1);
  for await (const line of linesIn(files, file, { ...lines, to })) {
    const element = elementIn(line);
    return element ? [element] : [];
  }
  return [];
}

/** One line of a file. */
export interface Line {
  readonly number: number;
  /** Byte offset of its beginning. */
  readonly at: number;
  /** Length in bytes, without the newline. */
  readonly length: number;
  /** Absent if the line is too long. */
  readonly bytes?: Uint8Array;
}

/**
 * Reads the lines of a range.
 *
 * @param longest longest line in bytes; a longer one is returned without its content
 */
export async function* linesIn(
  files: FilesPort,
  file: FileVersion,
  { first, from, to }: Required<Lines>,
  longest: number = maxLineBytes,
): AsyncGenerator<Line> {
  let pieces: Uint8Array[] = [];
  let length = 0;
  let at = from;
  let number = first;
  const add = (piece: Uint8Array) => {
    length += piece.length;
    if (length <= longest) pieces.push(piece);
    else pieces = [];
  };
  const line = (): Line => ({ number, at, length, ...(length <= longest && { bytes: Buffer.concat(pieces) }) });
  for await (const block of files.read(file, { from, to })) {
    let here = 0;
    for (let newline = block.indexOf(10); newline >= 0; newline = block.indexOf(10, here)) {
      add(block.subarray(here, newline));
      yield line();
      here = newline + 1;
      at += length + 1;
      number++;
      pieces = [];
      length = 0;
    }
    add(block.subarray(here));
  }
  if (length > 0) yield line();
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** Parses one line. Returns `undefined` if it is empty. */
export function elementIn({ number, at, bytes }: Line): Element | undefined {
  if (!bytes) return { number, issue: `is longer than ${maxLineBytes} bytes` };
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    return { number, issue: "is not UTF-8" };
  }
  if (text.trim() === "") return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { number, issue: "is not JSON" };
  }
  if (!isJsonObject(value)) return { number, issue: "is not an object" };
  const issue = jsonIssue(value);
  return issue === undefined ? { number, at, value } : { number, issue: `is invalid: ${issue}` };
}
