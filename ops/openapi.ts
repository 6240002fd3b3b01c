import * as z from "zod";
import type { JsonObject } from "../bridge/values/json.ts";
import type { AnyEndpoint, OpsContext } from "./endpoint.ts";
import { problemSchema } from "./problem.ts";

/** Problems any call may come to, by status. */
const common: Readonly<Record<string, string>> = {
  400: "The call is wrong.",
  401: "Who calls is not known.",
  403: "This caller is refused.",
  500: "The bridge failed.",
  503: "The bridge cannot do it now.",
};

const own: Readonly<Record<string, readonly [status: number, description: string]>> = {
  missing: [404, "There is no such thing."],
  moved: [409, "Somebody else was faster; `now` says how the packet stands."],
  refused: [422, "It cannot be done; `detail` says why, and what to do."],
  unavailable: [503, "The bridge cannot do it now."],
};

/** The OpenAPI 3.1 document of the operations, made of the schemas they are served by. */
export function openApiOf(
  operations: readonly AnyEndpoint[],
  { host, version }: Pick<OpsContext, "host" | "version">,
): JsonObject {
  const paths: Record<string, JsonObject> = {};
  const named: JsonObject = {};
  schemaOf(problemSchema, "output", named);
  for (const operation of operations) {
    paths[operation.path] = { ...paths[operation.path], [operation.method]: told(operation, named) };
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "HMS Sync Bridge: the operator's API",
      version,
      description: "Times are RFC 3339, lists are paged by `after`, errors are RFC 9457 problems.",
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

/** @param named takes up the schemas that have a name, for all to refer to */
function told({ id, summary, params, query, body, answer, problems = [] }: AnyEndpoint, named: JsonObject): JsonObject {
  const parameters = [...parametersIn("path", params), ...parametersIn("query", query)];
  const answers: Record<string, JsonObject> = {
    200: { description: "Done.", content: { "application/json": { schema: schemaOf(answer, "output", named) } } },
  };
  const refusals = [...Object.entries(common), ...problems.map((kind) => own[kind] ?? [500, ""])];
  if (body) refusals.push([413, "The body is too large."], [415, "The body is not JSON."]);
  for (const [status, description] of refusals) {
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

/** A schema; it refers to those that have a name, which `named` takes up, and is such a reference where it has one itself. */
function schemaOf(schema: z.ZodType, io: "input" | "output", named: JsonObject): JsonObject {
  const made = z.toJSONSchema(schema, { io, target: "draft-2020-12", reused: "inline", unrepresentable: "any" });
  const text = JSON.stringify(made).replaceAll("#/$defs/", "#/components/schemas/");
  const { $schema: _s, $defs = {}, ...rest } = JSON.parse(text) as JsonObject & { $defs?: JsonObject };
  Object.assign(named, $defs);
  return rest;
}
