import * as z from "zod";
import { type DocumentWords, schemaIssues } from "../../../bridge/mapping/schema-faults.ts";
import type { JsonObject } from "../../../bridge/values/json.ts";
import { readYaml, type YamlIssue } from "../../../bridge/values/yaml-file.ts";
import { type DeclarationInput, declarationSchema } from "./rest-connector.ts";

export type DeclarationReading =
  | { readonly ok: true; readonly declaration: DeclarationInput }
  | { readonly ok: false; readonly faults: readonly YamlIssue[] };

const words: DocumentWords = { what: "the declaration", knownKeys: keysAt };

/**
 * Reads a file that declares a connector: YAML text in, a declaration or its faults out. Never throws on bad text.
 *
 * @param file as it should stand in a fault, such as `connectors/badge-office.yaml`
 */
export function readDeclaration(file: string, text: string): DeclarationReading {
  const reading = readYaml(file, text, { what: "the declaration", begin: 'start with "name:" and "baseUrl:"' });
  if (!reading.ok) return { ok: false, faults: reading.issues };
  const { raw, lineOf } = reading;
  const parsed = declarationSchema.safeParse(raw);
  if (parsed.success) return { ok: true, declaration: raw as DeclarationInput };
  const faults = schemaIssues(parsed.error, raw, words).map(({ path, message }) => ({
    file,
    line: lineOf(path),
    message,
  }));
  return { ok: false, faults: faults.sort((a, b) => a.line - b.line) };
}

/** The JSON Schema of a declaration, so that an editor completes and checks while one types. */
export function declarationJsonSchema(): JsonObject {
  return {
    ...(z.toJSONSchema(declarationSchema, { io: "input", target: "draft-7" }) as JsonObject),
    title: "HMS Sync Bridge declared connector",
  };
}

/** The keys a place of the document may have. */
function keysAt(path: readonly PropertyKey[]): string[] {
  let here: z.core.$ZodType | undefined = declarationSchema;
  for (const key of path) here = objectsIn(here).find((object) => key in object.shape)?.shape[String(key)];
  return objectsIn(here).flatMap((object) => Object.keys(object.shape));
}

/** The objects a schema allows, whatever is around them. */
function objectsIn(schema: z.core.$ZodType | undefined): z.ZodObject[] {
  if (schema instanceof z.ZodObject) return [schema];
  if (schema instanceof z.ZodUnion) return schema.options.flatMap(objectsIn);
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault) {
    return objectsIn(schema.unwrap());
  }
  return [];
}
