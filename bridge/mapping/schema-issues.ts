import type * as z from "zod";
import { exampleSchema, sheetSchema, targetSchema } from "../model/sheet-document.ts";
import { isJsonObject, type Json } from "../values/json.ts";
import type { PlacedIssue } from "./compile-sheet.ts";

/** Name of a document in messages, and the keys it allows at each path. */
export interface DocumentWords {
  readonly what: string;
  readonly knownKeys: (path: readonly PropertyKey[]) => readonly string[];
}

const ofSheets: DocumentWords = { what: "the sheet", knownKeys: sheetKeys };

/** Converts schema errors to issues in the terms of the document's author. The document is a sheet by default. */
export function schemaIssues(error: z.ZodError, raw: Json, words: DocumentWords = ofSheets): PlacedIssue[] {
  return error.issues.flatMap((issue) => issuesOf(issue, raw, words));
}

function issuesOf(issue: z.core.$ZodIssue, raw: Json, words: DocumentWords): PlacedIssue[] {
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => {
      const known = words.knownKeys(issue.path);
      const near = nearest(key, known);
      const remedy = near ? `did you mean "${near}"?` : `known here: ${known.join(", ")}`;
      return { path: [...issue.path, key], message: `unknown key "${key}"; ${remedy}` };
    });
  }
  if (issue.code === "invalid_key") {
    const key = String(issue.path.at(-1));
    return [{ path: issue.path, message: `${key}: ${issue.issues[0]?.message ?? "is not a name"}` }];
  }
  if (issue.code === "invalid_union") {
    const inner = intendedBranchIssue(issue, at(raw, issue.path));
    if (inner) {
      return issuesOf({ ...inner, path: [...issue.path, ...inner.path] } as z.core.$ZodIssue, raw, words);
    }
  }
  const name = issue.path.at(-1);
  const subject =
    name === undefined ? words.what : typeof name === "number" ? `${String(issue.path.at(-2))}[${name}]` : String(name);
  return [{ path: issue.path, message: issue.message.startsWith('"') ? issue.message : `${subject} ${issue.message}` }];
}

/** Returns the issue of the union's branch that the author meant: for an object, the branch that takes objects. */
function intendedBranchIssue(
  issue: z.core.$ZodIssueInvalidUnion,
  given: Json | undefined,
): z.core.$ZodIssue | undefined {
  if (given === null || given === undefined) return undefined;
  return issue.errors
    .flat()
    .find(
      (inner) =>
        !(inner.code === "invalid_type" && inner.path.length === 0) &&
        (isJsonObject(given) ? inner.path.length > 0 || inner.code === "unrecognized_keys" : inner.code === "custom"),
    );
}

function at(raw: Json, path: readonly PropertyKey[]): Json | undefined {
  let here: Json | undefined = raw;
  for (const key of path) {
    if (typeof here !== "object" || here === null || !Object.hasOwn(here, key)) return undefined;
    here = (here as Record<PropertyKey, Json>)[key];
  }
  return here;
}

function sheetKeys(path: readonly PropertyKey[]): string[] {
  if (path[0] === "targets" && path[2] === "map") return ["to", "with"];
  if (path[0] === "targets" && path[2] === "for_each") return ["ndjson"];
  if (path[0] === "targets") return Object.keys(targetSchema.shape);
  if (path[0] === "examples") return Object.keys(exampleSchema.shape);
  return Object.keys(sheetSchema.shape);
}

/** Returns the closest known key that is at most two edits away. */
function nearest(key: string, known: readonly string[]): string | undefined {
  return known
    .map((candidate) => ({ candidate, distance: editDistance(key, candidate) }))
    .filter(({ distance }) => distance <= 2)
    .sort((a, b) => a.distance - b.distance)[0]?.candidate;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= Math.min(a.length, 64); i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitute = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min((row[j] as number) + 1, (next[j - 1] as number) + 1, substitute));
    }
    row = next;
  }
  return row[b.length] as number;
}
