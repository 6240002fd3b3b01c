import * as z from "zod";
import type { JsonObject } from "../bridge/values/json.ts";
import type { AnyEndpoint, OpsContext } from "./endpoint.ts";
import { problemSchema } from "./problem.ts";

/** Problems that every operation can return, by status. */
const commonProblems: Readonly<Record<string, string>> = {
  400: "The request is invalid. `faults` lists the errors.",
  401: "The caller is not authenticated.",
  403: "The caller may not use this API.",
  500: "Internal error. The bridge's log has the details.",
  503: "The operation is not available now. `detail` explains what to do.",
};

/** Problems that only some operations can return. */
const ownProblems: Readonly<Record<string, readonly [status: number, description: string]>> = {
  missing: [404, "The resource does not exist."],
  moved: [409, "The packet has changed since you read it. `now` has its current state."],
  refused: [422, "The operation is not possible. `detail` gives the reason and what to do."],
  unavailable: [503, "The operation is not available now. `detail` explains what to do."],
};

/** Builds the OpenAPI 3.1 document from the schemas that the server validates with. */
export function openApiOf(
  operations: readonly AnyEndpoint[],
  { host, version }: Pick<OpsContext, "host" | "version">,
): JsonObject {
  const paths: Record<string, JsonObject> = {};
  const named: JsonObject = {};
  schemaOf(problemSchema, "output", named);
  for (const operation of operations) {
    paths[operation.path] = { ...paths[operation.path], [operation.method]: describeOperation(operation, named) };
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "HMS Sync Bridge operator API",
      version,
      description: "Times are RFC 3339. Lists are paged with `after`. Errors are RFC 9457 problem details.",
    },
    paths,
    components: {
      schemas: named,
      securitySchemes: {
        caller:
          host === "local"
            ? { type: "http", scheme: "bearer" }
            : { type: "apiKey", name: "Authorization", in: "header", description: "AWS Signature Version 4" },
      },
    },
    security: [{ caller: [] }],
  };
}

/** @param named collects the schemas with an id, which all operations reference */
function describeOperation(
  { id, summary, params, query, body, answer, problems = [] }: AnyEndpoint,
  named: JsonObject,
): JsonObject {
  const parameters = [...parametersIn("path", params), ...parametersIn("query", query)];
  const answers: Record<string, JsonObject> = {
    200: { description: "Success.", content: { "application/json": { schema: schemaOf(answer, "output", named) } } },
  };
  const failures = [...Object.entries(commonProblems), ...problems.map((kind) => ownProblems[kind] ?? [500, ""])];
  if (body) failures.push([413, "The request body is too large."], [415, "The request body is not JSON."]);
  for (const [status, description] of failures) {
    const schema = { $ref: "#/components/schemas/Problem" };
    answers[String(status)] = { description, content: { "application/problem+json": { schema } } };
  }
  return {
    operationId: id,
    summary,
    ...(parameters.length > 0 && { parameters }),
    ...(body && {
      requestBody: { required: true, content: { "application/json": { schema: schemaOf(body, "input", named) } } },
    }),
    responses: answers,
  };
}

function parametersIn(place: "path" | "query", schema: z.ZodType | undefined): JsonObject[] {
  if (!schema) return [];
  const { properties = {}, required = [] } = schemaOf(schema, "input", {}) as {
    properties?: Record<string, JsonObject>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, property]) => ({
    name,
    in: place,
    required: place === "path" || required.includes(name),
    schema: property,
    ...(typeof property.description === "string" && { description: property.description }),
  }));
}

/**
 * Converts a schema to JSON Schema. Schemas that have an id are added to `named` and replaced by a reference, including
 * the given schema itself.
 */
function schemaOf(schema: z.ZodType, io: "input" | "output", named: JsonObject): JsonObject {
  const made = z.toJSONSchema(schema, { io, target: "draft-2020-12", reused: "inline", unrepresentable: "any" });
  const text = JSON.stringify(made).replaceAll("#/$defs/", "#/components/schemas/");
  const { $schema: _s, $defs = {}, ...rest } = JSON.parse(text) as JsonObject & { $defs?: JsonObject };
  Object.assign(named, $defs);
  return rest;
}
