import { type Document, isMap, isPair, isScalar, LineCounter, parseDocument } from "yaml";
import { isJsonObject, type JsonObject, jsonFault } from "./json.ts";

/** A file's largest size. The compiled set of sheets has 500 KB on AWS AppConfig; no single one needs a tenth of it. */
const maxBytes = 65_536;

/** One thing wrong with one line of one file. */
export interface YamlIssue {
  readonly file: string;
  readonly line: number;
  readonly message: string;
}

export function issueText(fault: YamlIssue): string {
  return `${fault.file}:${fault.line}: ${fault.message}`;
}

export type YamlReading =
  | { readonly ok: true; readonly raw: JsonObject; lineOf(path: readonly PropertyKey[]): number }
  | { readonly ok: false; readonly faults: readonly YamlIssue[] };

/**
 * Reads a file that a person writes: YAML text in, a JSON object or the text's faults out. Never throws on bad text.
 *
 * Limits: 64 KiB; YAML 1.2 core types only, aliases expanded at most 20 times.
 *
 * @param file as it should stand in a fault, such as `mappings/per_diem.yaml`
 * @param words what the file is, and what an empty one should begin with
 */
export function readYaml(
  file: string,
  text: string,
  { what, begin }: { readonly what: string; readonly begin: string },
): YamlReading {
  const fault = (line: number, message: string): YamlIssue => ({ file, line, message });
  if (Buffer.byteLength(text) > maxBytes) {
    return { ok: false, faults: [fault(1, `${what} is larger than ${maxBytes} bytes; split it`)] };
  }
  const lines = new LineCounter();
  const yaml = parseDocument(text, { lineCounter: lines, uniqueKeys: true, prettyErrors: false, logLevel: "error" });
  const lineOf = (path: readonly PropertyKey[]) => lineOfPath(yaml, lines, path);
  if (yaml.errors.length > 0) {
    return {
      ok: false,
      faults: yaml.errors.map((error) =>
        fault(lines.linePos(error.pos[0]).line, yamlMessage(error.code, error.message)),
      ),
    };
  }
  let raw: unknown;
  try {
    raw = yaml.toJS({ maxAliasCount: 20 });
  } catch {
    return { ok: false, faults: [fault(1, `${what}'s aliases expand too far; write the values out`)] };
  }
  if (!isJsonObject(raw)) return { ok: false, faults: [fault(1, `${what} is empty; ${begin}`)] };
  const hostile = jsonFault(raw);
  if (hostile) return { ok: false, faults: [fault(lineOfKeyNamed(lineOf, hostile), hostile)] };
  return { ok: true, raw, lineOf };
}

/** The line of what a path leads to, or of the nearest thing on the way there. */
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

/** A hostile key is named in the fault's text; its line is where that text first stands. */
function lineOfKeyNamed(lineOf: (path: readonly PropertyKey[]) => number, message: string): number {
  return lineOf(message.split(":")[0]?.split(".") ?? []);
}

function yamlMessage(code: string, message: string): string {
  if (code === "DUPLICATE_KEY") return "the same key stands twice; keep one";
  return `not YAML: ${message.split("\n")[0]}`;
}
