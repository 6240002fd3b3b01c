import * as z from "zod";
import { type Policy, policySchema } from "../../bridge/governance/policy.ts";
import { checkSheet, duplicateTargetIssue } from "../../bridge/mapping/check-sheet.ts";
import { compileSheet, type PlacedIssue, type Sheet, sheetName } from "../../bridge/mapping/compile-sheet.ts";
import { schemaIssues } from "../../bridge/mapping/schema-faults.ts";
import type { Catalog } from "../../bridge/model/connector.ts";
import { sheetSchema } from "../../bridge/model/sheet-document.ts";
import { type Json, type JsonObject, jsonIssue } from "../../bridge/values/json.ts";

/** The largest set that is shipped. AppConfig takes more; but every mapper reads and compiles all of it. */
const maxSetBytes = 500_000;

/**
 * A function that works uses no sheets that are older than this, as long as it can reach AppConfig.
 *
 * Twice what it lets pass between two looks, which is the least AppConfig takes.
 * Source: `StartConfigurationSession`, `RequiredMinimumPollIntervalInSeconds`: 15 s.
 */
export const takeUpMs = 30_000;

/** The sheets of a folder, each with its file as it should stand in a fault, and the policy. */
export interface FiledSheets {
  readonly sheets: readonly { readonly file: string; readonly sheet: Sheet }[];
  readonly policy: Policy;
}

const setOf = <Document extends z.ZodType>(document: Document) =>
  z.strictObject({
    sheets: z.array(z.strictObject({ file: z.string().min(1).max(256), document })),
    policy: policySchema,
  });

/** All but the sheets themselves, which tell their own faults. */
const envelopeSchema = setOf(z.custom<Json>());

/**
 * The schema of a shipped set, as AppConfig checks it.
 *
 * Source: AWS AppConfig User Guide, "Understanding validators": JSON Schema draft-4, at most 32,768 characters.
 */
export function setJsonSchema(): JsonObject {
  return z.toJSONSchema(setOf(sheetSchema), { io: "input", target: "draft-4" }) as JsonObject;
}

/**
 * Checked sheets, with their examples, as they are shipped. The same sheets give the same bytes.
 *
 * @throws {RangeError} over 500 KB, with the size and the largest sheet
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
    `the sheets are ${bytes.byteLength} bytes together and at most ${maxSetBytes} are shipped; the largest is ${largest?.file} with ${largest?.size}: shorten its examples, or drop a sheet nobody needs`,
  );
}

function bytesOf(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}

type Unpacked = ({ readonly ok: true } & FiledSheets) | { readonly ok: false; readonly faults: readonly string[] };

/** Compiles a shipped set and runs nothing of it. Never throws on bad text. */
export function unpackSet(text: string): Unpacked {
  const refuse = (...faults: string[]): Unpacked => ({ ok: false, faults });
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch {
    return refuse("the set is not JSON; ship the sheets by npm run deploy:mappings");
  }
  const hostile = jsonIssue(raw);
  if (hostile) return refuse(`the set, ${hostile}`);
  const envelope = envelopeSchema.safeParse(raw);
  if (!envelope.success) {
    return refuse(...envelope.error.issues.map(({ path, message }) => `the set, ${path.join(".")}: ${message}`));
  }

  const faults: string[] = [];
  const sheets: { file: string; sheet: Sheet }[] = [];
  for (const { file, document } of envelope.data.sheets) {
    const compiled = compiledOf(file, document);
    if (!compiled.ok) {
      faults.push(...compiled.faults.map((fault) => faultText(file, fault)));
      continue;
    }
    const { sheet } = compiled;
    const twin = sheets.find((other) => other.sheet.name === sheet.name);
    if (twin) faults.push(`${file}: ${duplicateTargetIssue(twin.file)}`);
    sheets.push({ file, sheet });
  }
  return faults.length > 0 ? refuse(...faults) : { ok: true, sheets, policy: envelope.data.policy };
}

function compiledOf(file: string, document: Json): ReturnType<typeof compileSheet> {
  const parsed = sheetSchema.safeParse(document);
  return parsed.success
    ? compileSheet(sheetName(file), parsed.data)
    : { ok: false, faults: schemaIssues(parsed.error, document) };
}

/**
 * Looks for all that is wrong with a shipped set: its shape, its sheets against the connectors of the deployment, and
 * what becomes of their examples.
 *
 * @returns a line a fault: file, place in the sheet, fault and remedy
 */
export async function checkSet(text: string, catalog: Catalog): Promise<readonly string[]> {
  const unpacked = unpackSet(text);
  if (!unpacked.ok) return unpacked.faults;
  const faults: string[] = [];
  for (const { file, sheet } of unpacked.sheets) {
    const checked = await checkSheet(sheet, catalog, unpacked.policy);
    faults.push(...checked.faults.map((fault) => faultText(file, fault)));
  }
  return faults;
}

function faultText(file: string, { path, message }: PlacedIssue): string {
  return `${file}: ${path.length > 0 ? `${path.join(".")}: ` : ""}${message}`;
}
