import type { Context, Hono } from "hono";
import { ComplianceUnavailableError } from "../bridge/governance/compliance-engine.ts";
import { errorName } from "../bridge/observability/log.ts";
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
import { ProblemError, schemaProblem } from "./problem.ts";
import { sheetOperations } from "./sheets.ts";

export const endpoints: readonly AnyEndpoint[] = [
  ...eventOperations,
  ...packetOperations,
  ...connectorOperations,
  ...jobOperations,
  ...sheetOperations,
  ...ledgerOperations,
  ...alertOperations,
];

export interface AppOptions extends BaseAppOptions {
  /** Who calls, for the ledger. */
  readonly actorOf: (context: Context) => string;
}

/**
 * The operator's API: the same here and on AWS, where others say who calls.
 *
 * Every answer is parsed by the schema the document is made of, so that nothing leaves which is not in it.
 */
export function createOpsApp(ops: OpsContext, { actorOf, ...around }: AppOptions): Hono {
  const app = createBaseApp(around);
  for (const operation of endpoints) {
    app.on(operation.method.toUpperCase(), operation.path.replace(/\{(\w+)\}/g, ":$1"), (context) =>
      serve(ops, operation, context, actorOf(context)),
    );
  }
  const document = openApiOf(endpoints, ops);
  app.get("/openapi.json", (context) => context.json(document));
  if (ops.host === "local") {
    app.get("/metrics", async (context) =>
      context.text(await metricsText(ops.engine), 200, { "content-type": "text/plain; version=0.0.4; charset=utf-8" }),
    );
  }
  app.onError((error) => failed(ops, error).response());
  return app;
}

async function serve(ops: OpsContext, operation: AnyEndpoint, context: Context, actor: string): Promise<Response> {
  const given = await read(operation, context);
  if (given instanceof ProblemError) return given.response();
  const answer = await operation.run({ ops, actor, ...given });
  if (answer instanceof ProblemError) return answer.response();
  return new Response(JSON.stringify(operation.answer.parse(answer)), {
    headers: { "content-type": "application/json; charset=utf-8", "cache-control": "no-store" },
  });
}

interface Given {
  readonly params: unknown;
  readonly query: unknown;
  readonly body: unknown;
}

async function read({ params, query, body }: AnyEndpoint, { req }: Context): Promise<Given | ProblemError> {
  const parts = [
    ["address", params, () => req.param()],
    ["query", query, () => queryOf(req.queries())],
  ] as const;
  const given: unknown[] = [];
  for (const [part, schema, of] of parts) {
    const parsed = schema?.safeParse(of());
    if (parsed && !parsed.success) return schemaProblem(part, parsed.error);
    given.push(parsed?.data);
  }
  const [readParams, readQuery] = given;
  if (!body) return { params: readParams, query: readQuery, body: undefined };

  // A page of another origin cannot send this type without being let to, which nobody is.
  if (!/^application\/json\b/i.test(req.header("content-type") ?? "")) {
    return new ProblemError("wrong-type", "Send the body as application/json.");
  }
  let raw: unknown;
  try {
    raw = JSON.parse(await req.text());
  } catch {
    return new ProblemError("wrong-call", "The body is not JSON.");
  }
  const fault = jsonIssue(raw);
  if (fault !== undefined)
    return new ProblemError(
      "wrong-call",
      "The body holds what no call takes: it is nested too deep, or not well-formed.",
    );
  const parsed = body.safeParse(raw);
  if (!parsed.success) return schemaProblem("body", parsed.error);
  return { params: readParams, query: readQuery, body: parsed.data };
}

/** A name that is given once is a text, one that is given again a list. */
function queryOf(queries: Readonly<Record<string, readonly string[]>>): Record<string, string | readonly string[]> {
  return Object.fromEntries(
    Object.entries(queries).map(([name, values]) => [name, values.length === 1 ? (values[0] as string) : values]),
  );
}

/** What the core refuses by throwing, and what nobody expected. The error's own words may hold a value: they stay here. */
function failed({ engine }: OpsContext, error: Error): ProblemError {
  if (error instanceof RangeError && ownFault.test(error.message)) {
    return new ProblemError("wrong-call", `${error.message}.`);
  }
  if (error instanceof ComplianceUnavailableError) {
    return new ProblemError("unavailable", "Governance cannot be asked just now, so nothing was done; try again.");
  }
  engine.log({ step: "api-failed", error: errorName(error) });
  if (/the store (did not take|is closed|'s file)/.test(error.message)) {
    return new ProblemError(
      "unavailable",
      "The store takes nothing just now; see the log of the bridge, and try again.",
    );
  }
  return new ProblemError("failed", "See the line api-failed in the log of the bridge.");
}

const ownFault = /^the (cursor|reason) /;
