import { type Document, isMap, isPair, isScalar, LineCounter, parseDocument } from "yaml";
import { isJsonObject, type JsonObject, jsonIssue } from "./json.ts";

/** Largest file, in UTF-8 bytes. AWS AppConfig accepts 500 KB for all compiled sheets together. */
const maxBytes = 65_536;

/** One problem on one line of a file. */
export interface YamlIssue {
  readonly file: string;
  readonly line: number;
  readonly message: string;
}

/** Formats an issue as `file:line: message`. */
export function issueText({ file, line, message }: YamlIssue): string {
  return `${file}:${line}: ${message}`;
}

export type YamlReading =
  | { readonly ok: true; readonly raw: JsonObject; lineOf(path: readonly PropertyKey[]): number }
  | { readonly ok: false; readonly issues: readonly YamlIssue[] };

/**
 * Parses a hand-written YAML file into a JSON object. Returns issues for invalid text and never throws.
 *
 * Limits: 64 KiB; YAML 1.2 core types only; at most 20 alias expansions.
 *
 * @param file the name shown in issues, such as `mappings/per_diem.yaml`
 * @param what subject of the messages, such as `the sheet`
 * @param begin advice for an empty file
 */
export function readYaml(
  file: string,
  text: string,
  { what, begin }: { readonly what: string; readonly begin: string },
): YamlReading {
  const issue = (line: number, message: string): YamlIssue => ({ file, line, message });
  if (Buffer.byteLength(text) > maxBytes) {
    return { ok: false, issues: [issue(1, `${what} is larger than ${maxBytes} bytes; split it`)] };
  }
  const lines = new LineCounter();
  const yaml = parseDocument(text, { lineCounter: lines, uniqueKeys: true, prettyErrors: false, logLevel: "error" });
  const lineOf = (path: readonly PropertyKey[]) => lineOfPath(yaml, lines, path);
  if (yaml.errors.length > 0) {
    return {
      ok: false,
      issues: yaml.errors.map((error) =>
        issue(lines.linePos(error.pos[0]).line, yamlMessage(error.code, error.message)),
      ),
    };
  }
  let raw: unknown;
  try {
    raw = yaml.toJS({ maxAliasCount: 20 });
  } catch {
    return { ok: false, issues: [issue(1, `${what}'s aliases expand too far; write out the values`)] };
  }
  if (!isJsonObject(raw)) return { ok: false, issues: [issue(1, `${what} is empty; ${begin}`)] };
  const unsafe = jsonIssue(raw);
  if (unsafe) return { ok: false, issues: [issue(lineOfJsonIssue(lineOf, unsafe), unsafe)] };
  return { ok: true, raw, lineOf };
}

/** Returns the line of the node at a path, or of its nearest existing parent. */
export function lineOfPath(yaml: Document, lines: LineCounter, path: readonly PropertyKey[]): number {
  let node: unknown = yaml.contents;
  let offset = rangeStart(node);
  for (const key of path) {
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(key));
      if (!isPair(pair)) break;
      offset = rangeStart(pair.key) ?? offset;
      node = pair.value;
    } else {
      const next: unknown =
        typeof node === "object" && node && "get" in node
          ? (node as { get(k: unknown, keep: true): unknown }).get(key, true)
          : undefined;
      if (!next) break;
      offset = rangeStart(next) ?? offset;
      node = next;
    }
  }
  return offset === undefined ? 1 : lines.linePos(offset).line;
}

function rangeStart(node: unknown): number | undefined {
  return typeof node === "object" && node !== null && "range" in node && Array.isArray(node.range)
    ? (node.range[0] as number)
    : undefined;
}

/** Returns the line of the path at the start of a `jsonIssue` message. */
function lineOfJsonIssue(lineOf: (path: readonly PropertyKey[]) => number, message: string): number {
  return lineOf(message.split(":")[0]?.split(".") ?? []);
}

function yamlMessage(code: string, message: string): string {
  if (code === "DUPLICATE_KEY") return "duplicate key; keep only one";
  return `invalid YAML: ${message.split("\n")[0]}`;
}
