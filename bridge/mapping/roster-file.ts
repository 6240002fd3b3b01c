import type { SourceEvent } from "../model/event.ts";
import type { FileVersion, Roster } from "../model/roster.ts";
import { FileError, type FilesPort } from "../ports/files.ts";
import { isJsonObject, jsonIssue } from "../values/json.ts";
import type { Element } from "./map-event.ts";
import type { Match } from "./match-targets.ts";

/** Elements of a roster that are expanded together; of a file, no more than fit into so many bytes. */
export const chunkSize = 500;
const chunkBytes = 4_194_304;

/** A longer line is held, and the others go. */
export const maxLineBytes = 262_144;

/** What one leg of cutting may read and find: what a Lambda function can do in a few seconds, and a record can hold. */
const legBytes = 268_435_456;
const legParts = 1_000;

/** Looks up the files an event's rosters stand in, and so pins their versions. */
export async function findRosters(
  files: FilesPort,
  event: SourceEvent,
  matches: readonly Match[],
  known: readonly Roster[] = [],
): Promise<Roster[]> {
  const found = matches.map(async ({ target }, match): Promise<Roster[]> => {
    if (!target.ndjson) return [];
    const address = target.forEach?.(event.data);
    if (typeof address !== "string") return [{ match, fault: `${target.forEachPath} is not an address in the event` }];
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

/** Why a roster is held, and what to do. */
export function withRemedy({ what }: FileError): string {
  return `${what}; mend that, and publish the event again with a new id`;
}

/** Lines of a file: from inclusive, to exclusive. bytes */
export interface Lines {
  /** The number of the first of them, from 0. */
  readonly first: number;
  readonly from: number;
  /** Absent: up to the end of the file, and not cut into chunks yet. */
  readonly to?: number;
}

/**
 * Cuts lines into chunks, reading no more than one leg of them; what is left is the last, without an end.
 *
 * @param most chunks in this leg
 */
export async function cutLines(
  files: FilesPort,
  file: FileVersion,
  lines: Lines,
  most: number = legParts,
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
      if (chunks.length < most && to - lines.from < legBytes) continue;
      return to < file.bytes ? [...chunks, start] : chunks;
    }
    read += block.length;
  }
  return start.from < file.bytes ? [...chunks, { ...start, to: file.bytes }] : chunks;
}

/** The elements that stand in lines, in order. Of a line that holds none it says why; empty lines are left out. */
export async function elementsIn(files: FilesPort, file: FileVersion, lines: Required<Lines>): Promise<Element[]> {
  const elements: Element[] = [];
  for await (const line of linesIn(files, file, lines)) {
    const element = elementIn(line);
    if (element) elements.push(element);
  }
  return elements;
}

/** The element on the first of these lines. */
export async function elementAt(files: FilesPort, file: FileVersion, lines: Required<Lines>): Promise<Element[]> {
  // Its line is no longer than a line may be, and only that much is read.
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
  /** Where it begins. bytes */
  readonly at: number;
  /** Without its end. bytes */
  readonly length: number;
  /** Absent where it is longer than it may be. */
  readonly bytes?: Uint8Array;
}

/** @param longest a line with more bytes is given without them */
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

/** @returns its element, or nothing where the line is empty */
export function elementIn({ number, at, bytes }: Line): Element | undefined {
  if (!bytes) return { number, fault: `is longer than ${maxLineBytes} bytes` };
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    return { number, fault: "is not UTF-8" };
  }
  if (text.trim() === "") return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { number, fault: "is not JSON" };
  }
  if (!isJsonObject(value)) return { number, fault: "is not an object" };
  const fault = jsonIssue(value);
  return fault === undefined ? { number, at, value } : { number, fault: `cannot be taken: ${fault}` };
}
