import type { Context, Hono } from "hono";
import { errorName } from "../bridge/observability/log.ts";
import { BridgeError } from "../bridge/values/bridge-error.ts";
import { jsonIssue } from "../bridge/values/json.ts";
import { alertOperations } from "./alerts.ts";
import { type BaseAppOptions, createBaseApp } from "./base-app.ts";
import { connectorOperations } from "./connectors.ts";
import type { AnyEndpoint, OpsContext } from "./endpoint.ts";
import { eventOperations } from "./events.ts";
import { jobOperations } from "./jobs.ts";
import { ledgerOperations } from "./ledger.ts";
import { metricsText } from "./metrics.ts";
import { openApiOf } from "./openapi.ts";
import { packetOperations } from "./packets.ts";
import { ApiProblem, schemaProblem } from "./problem.ts";
import { sequenceOperations } from "./sequences.ts";
import { sheetOperations } from "./sheets.ts";

export const endpoints: readonly AnyEndpoint[] = [
  ...eventOperations,
  ...packetOperations,
  ...connectorOperations,
  ...jobOperations,
  ...sequenceOperations,
  ...sheetOperations,
  ...ledgerOperations,
  ...alertOperations,
];

export interface AppOptions extends BaseAppOptions {
  /** Returns the caller's name, which is written to the ledger. */
  readonly actorOf: (context: Context) => string;
}

/**
 * Creates the operator API, which is the same app on this machine and on AWS. Only `guard` and `actorOf` differ.
 *
 * Every response is parsed with the schema published in the OpenAPI document, so no undocumented field is sent.
 */
export function createOpsApp(ops: OpsContext, { actorOf, ...around }: AppOptions): Hono {
  const app = createBaseApp(around);
  for (const operation of endpoints) {
    app.on(operation.method.toUpperCase(), operation.path.replace(/\{(\w+)\}/g, ":$1"), (context) =>
      handle(ops, operation, context, actorOf(context)),
    );
  }
  const document = openApiOf(endpoints, ops);
  app.get("/openapi.json", (context) => context.json(document));
  if (ops.host === "local") {
    app.get("/metrics", async (context) =>
      context.text(await metricsText(ops.engine), 200, { "content-type": "text/plain; version=0.0.4; charset=utf-8" }),
    );
  }
  app.onError((error) => problemOf(ops, error).response());
  return app;
}

async function handle(ops: OpsContext, operation: AnyEndpoint, context: Context, actor: string): Promise<Response> {
  const input = await readInput(operation, context);
  if (input instanceof ApiProblem) return input.response();
  const answer = await operation.run({ ops, actor, ...input });
  if (answer instanceof ApiProblem) return answer.response();
  return new Response(JSON.stringify(operation.answer.parse(answer)), {
    headers: { "content-type": "application/json; charset=utf-8", "cache-control": "no-store" },
  });
}

interface RequestInput {
  readonly params: unknown;
  readonly query: unknown;
  readonly body: unknown;
}

async function readInput({ params, query, body }: AnyEndpoint, { req }: Context): Promise<RequestInput | ApiProblem> {
  const parts = [
    ["address", params, () => req.param()],
    ["query", query, () => queryOf(req.queries())],
  ] as const;
  const values: unknown[] = [];
  for (const [part, schema, read] of parts) {
    const parsed = schema?.safeParse(read());
    if (parsed && !parsed.success) return schemaProblem(part, parsed.error);
    values.push(parsed?.data);
  }
  const [paramValues, queryValues] = values;
  if (!body) return { params: paramValues, query: queryValues, body: undefined };

  // A page of another origin needs a CORS preflight to send this type, and the API grants none.
  if (!/^application\/json\b/i.test(req.header("content-type") ?? "")) {
    return new ApiProblem("wrong-type", "Send the body as JSON, with the header Content-Type: application/json.");
  }
  let raw: unknown;
  try {
    raw = JSON.parse(await req.text());
  } catch {
    return new ApiProblem("wrong-call", "The body is not valid JSON. Correct it and send it again.");
  }
  if (jsonIssue(raw) !== undefined) {
    return new ApiProblem(
      "wrong-call",
      "The body is nested too deeply, or contains a string that is not valid Unicode.",
    );
  }
  const parsed = body.safeParse(raw);
  if (!parsed.success) return schemaProblem("body", parsed.error);
  return { params: paramValues, query: queryValues, body: parsed.data };
}

/** A parameter given once becomes a string; one given several times becomes a list. */
function queryOf(queries: Readonly<Record<string, readonly string[]>>): Record<string, string | readonly string[]> {
  return Object.fromEntries(
    Object.entries(queries).map(([name, values]) => [name, values.length === 1 ? (values[0] as string) : values]),
  );
}

/** Maps an error thrown by the core to a problem. The error's message may contain a value, so it is not sent. */
function problemOf({ engine }: OpsContext, error: Error): ApiProblem {
  const code = error instanceof BridgeError ? error.code : undefined;
  if (code === "invalid-request") return new ApiProblem("wrong-call", `${error.message}.`);
  if (code === "compliance-unavailable") {
    return new ApiProblem("unavailable", "The compliance engine does not respond, so nothing was changed. Try again.");
  }
  engine.log({ step: "api-failed", error: errorName(error) });
  if (code === "store-unavailable") {
    return new ApiProblem("unavailable", "The store is not accepting writes. See the bridge's log, then try again.");
  }
  return new ApiProblem("failed", "See the line api-failed in the bridge's log.");
}
