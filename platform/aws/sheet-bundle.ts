import * as z from "zod";
import { type Policy, policySchema } from "../../bridge/governance/policy.ts";
import { sheetOverlaps } from "../../bridge/mapping/check-overlaps.ts";
import { checkSheet, duplicateNameIssue } from "../../bridge/mapping/check-sheet.ts";
import { compileSheet, type PlacedIssue, type Sheet, sheetName } from "../../bridge/mapping/compile-sheet.ts";
import { schemaIssues } from "../../bridge/mapping/schema-issues.ts";
import type { Catalog } from "../../bridge/model/connector.ts";
import { sheetSchema } from "../../bridge/model/sheet-document.ts";
import { type Json, type JsonObject, jsonIssue } from "../../bridge/values/json.ts";

/** Largest bundle that is deployed. AppConfig accepts more, but every mapper reads and compiles the whole bundle. */
const maxSetBytes = 500_000;

/**
 * Longest time that a working function uses sheets that have been replaced, if it can reach AppConfig.
 *
 * Twice the polling interval, which is the shortest that AppConfig allows.
 * Source: `StartConfigurationSession`, `RequiredMinimumPollIntervalInSeconds`: 15 s.
 */
export const maxSheetAgeMs = 30_000;

/** The policy and the sheets of a folder, each with the file name that issues show. */
export interface FiledSheets {
  readonly sheets: readonly { readonly file: string; readonly sheet: Sheet }[];
  readonly policy: Policy;
}

const setOf = <Document extends z.ZodType>(document: Document) =>
  z.strictObject({
    sheets: z.array(z.strictObject({ file: z.string().min(1).max(256), document })),
    policy: policySchema,
  });

/** Schema of everything but the sheets themselves, which are checked one by one for better messages. */
const envelopeSchema = setOf(z.custom<Json>());

/**
 * JSON Schema by which AppConfig validates a sheet bundle.
 *
 * Source: AWS AppConfig User Guide, "Understanding validators": JSON Schema draft-4, at most 32,768 characters.
 */
export function setJsonSchema(): JsonObject {
  return z.toJSONSchema(setOf(sheetSchema), { io: "input", target: "draft-4" }) as JsonObject;
}

/**
 * Packs checked sheets and their examples into a bundle for deployment. The same sheets give the same bytes.
 *
 * @throws {RangeError} if the bundle is larger than 500 KB; names the size and the largest sheet
 */
export function packSet({ sheets, policy }: FiledSheets): Uint8Array {
  const filed = sheets.map(({ file, sheet: { document, examples } }) => ({
    file,
    document: { ...document, ...(examples.length > 0 && { examples }) },
  }));
  const bytes = bytesOf({ sheets: filed, policy });
  if (bytes.byteLength <= maxSetBytes) return bytes;
  const [largest] = filed
    .map((one) => ({ file: one.file, size: bytesOf(one).byteLength }))
    .sort((a, b) => b.size - a.size);
  throw new RangeError(
    `the sheets are ${bytes.byteLength} bytes together and the limit is ${maxSetBytes}; the largest is ${largest?.file} with ${largest?.size}: shorten its examples, or remove an unused sheet`,
  );
}

function bytesOf(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}

type Unpacked = ({ readonly ok: true } & FiledSheets) | { readonly ok: false; readonly faults: readonly string[] };

/** Parses a bundle and compiles its sheets, without running their examples. Returns issues, and never throws on bad text. */
export function unpackSet(text: string): Unpacked {
  const invalid = (...issues: string[]): Unpacked => ({ ok: false, faults: issues });
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch {
    return invalid("the set is not JSON; deploy the sheets with npm run deploy:mappings");
  }
  const invalidJson = jsonIssue(raw);
  if (invalidJson) return invalid(`the set, ${invalidJson}`);
  const envelope = envelopeSchema.safeParse(raw);
  if (!envelope.success) {
    return invalid(...envelope.error.issues.map(({ path, message }) => `the set, ${path.join(".")}: ${message}`));
  }

  const issues: string[] = [];
  const sheets: { file: string; sheet: Sheet }[] = [];
  for (const { file, document } of envelope.data.sheets) {
    const compiled = compileDocument(file, document);
    if (!compiled.ok) {
      issues.push(...compiled.issues.map((issue) => issueText(file, issue)));
      continue;
    }
    const { sheet } = compiled;
    const duplicate = sheets.find((other) => other.sheet.name === sheet.name);
    if (duplicate) issues.push(`${file}: ${duplicateNameIssue(duplicate.file)}`);
    sheets.push({ file, sheet });
  }
  return issues.length > 0 ? invalid(...issues) : { ok: true, sheets, policy: envelope.data.policy };
}

function compileDocument(file: string, document: Json): ReturnType<typeof compileSheet> {
  const parsed = sheetSchema.safeParse(document);
  return parsed.success
    ? compileSheet(sheetName(file), parsed.data)
    : { ok: false, issues: schemaIssues(parsed.error, document) };
}

/**
 * Checks a bundle: its form, its sheets against the deployment's connectors and each other, and the results of their
 * examples.
 *
 * @returns one line for each issue: file, position in the sheet, problem and fix; empty if there is none
 */
export async function checkSet(text: string, catalog: Catalog): Promise<readonly string[]> {
  const unpacked = unpackSet(text);
  if (!unpacked.ok) return unpacked.faults;
  const issues: string[] = [];
  for (const { file, sheet } of unpacked.sheets) {
    const checked = await checkSheet(sheet, catalog, unpacked.policy);
    issues.push(...checked.issues.map((issue) => issueText(file, issue)));
  }
  const fileOf = new Map(unpacked.sheets.map(({ file, sheet }) => [sheet, file]));
  const placed = unpacked.sheets.map(({ file, sheet }) => ({ sheet, placeOf: placeIn(file) }));
  for (const { sheet, path, message, isCertain } of sheetOverlaps(placed, catalog)) {
    if (isCertain) issues.push(issueText(fileOf.get(sheet) ?? sheet.name, { path, message }));
  }
  return issues;
}

function placeIn(file: string): (path: readonly PropertyKey[]) => string {
  return (path) => `${file}: ${path.join(".")}`;
}

function issueText(file: string, { path, message }: PlacedIssue): string {
  return `${file}: ${path.length > 0 ? `${path.join(".")}: ` : ""}${message}`;
}
