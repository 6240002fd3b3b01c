import * as z from "zod";
import { type DocumentWords, schemaIssues } from "../../../bridge/mapping/schema-issues.ts";
import type { JsonObject } from "../../../bridge/values/json.ts";
import { readYaml, type YamlIssue } from "../../../bridge/values/yaml-file.ts";
import { type DeclarationInput, declarationSchema } from "./rest-connector.ts";

/** A valid declaration, or the issues of an invalid one. */
export type DeclarationResult =
  | { readonly ok: true; readonly declaration: DeclarationInput }
  | { readonly ok: false; readonly issues: readonly YamlIssue[] };

const documentWords: DocumentWords = { what: "the declaration", knownKeys: keysAt };

/**
 * Parses and checks the YAML text of a declared connector. Returns issues for bad text and never throws.
 *
 * @param file the name shown in issues, such as `connectors/badge-office.yaml`
 */
export function readDeclaration(file: string, text: string): DeclarationResult {
  const yaml = readYaml(file, text, { what: "the declaration", begin: 'start with "name:" and "baseUrl:"' });
  if (!yaml.ok) return { ok: false, issues: yaml.issues };
  const { raw, lineOf } = yaml;
  const parsed = declarationSchema.safeParse(raw);
  if (parsed.success) return { ok: true, declaration: raw as DeclarationInput };
  const issues = schemaIssues(parsed.error, raw, documentWords).map(({ path, message }) => ({
    file,
    line: lineOf(path),
    message,
  }));
  return { ok: false, issues: issues.sort((a, b) => a.line - b.line) };
}

/** Returns the JSON Schema of a declaration, with which an editor completes and checks the file. */
export function declarationJsonSchema(): JsonObject {
  return {
    ...(z.toJSONSchema(declarationSchema, { io: "input", target: "draft-7" }) as JsonObject),
    title: "HMS Sync Bridge declared connector",
  };
}

/** Returns the keys that are allowed at a path of the document. */
function keysAt(path: readonly PropertyKey[]): string[] {
  let schema: z.core.$ZodType | undefined = declarationSchema;
  for (const key of path) schema = objectsIn(schema).find((object) => key in object.shape)?.shape[String(key)];
  return objectsIn(schema).flatMap((object) => Object.keys(object.shape));
}

/** Returns the object schemas that a schema allows, without the unions, optionals and defaults around them. */
function objectsIn(schema: z.core.$ZodType | undefined): z.ZodObject[] {
  if (schema instanceof z.ZodObject) return [schema];
  if (schema instanceof z.ZodUnion) return schema.options.flatMap(objectsIn);
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault) {
    return objectsIn(schema.unwrap());
  }
  return [];
}
