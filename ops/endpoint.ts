import type * as z from "zod";
import type { Engine } from "../bridge/engine.ts";
import type { Evidence } from "../bridge/ledger/sealed-entries.ts";
import type { Connector } from "../bridge/model/connector.ts";
import type { Health } from "../bridge/model/target-health.ts";
import type { TimestampedAlert } from "../bridge/observability/alerts.ts";
import type { ProblemError } from "./problem.ts";

/** What the operator's API works on. */
export interface OpsContext {
  readonly engine: Engine;
  readonly host: "local" | "aws";
  readonly version: string;
  /** What the ledger is held against; absent where there are no seals. */
  readonly evidence?: Evidence | undefined;
  /** What was told since this process began, oldest first; absent where another place keeps it. */
  readonly alerts?: () => readonly TimestampedAlert[];
  /** Asks a target whether it is awake: in the process that can reach it. */
  readonly probe: (connector: Connector) => Promise<Health>;
  /** Whether a connector has the configuration and the secret it needs; absent where only its own process may know. */
  readonly readiness?: (connector: Connector) => Promise<string>;
}

export interface Call<Params, Query, Body> {
  readonly ops: OpsContext;
  /** Who calls. */
  readonly actor: string;
  readonly params: Params;
  readonly query: Query;
  readonly body: Body;
}

/** One operation: the schemas of what goes in and what comes out say it to the server and to the document alike. */
export interface Endpoint<
  Params extends z.ZodType = z.ZodType,
  Query extends z.ZodType = z.ZodType,
  Body extends z.ZodType = z.ZodType,
  Answer extends z.ZodType = z.ZodType,
> {
  readonly method: "get" | "post";
  /** `/api/packets/{id}` */
  readonly path: string;
  /** A name for programs: `getPacket`. */
  readonly id: string;
  readonly summary: string;
  readonly params?: Params;
  readonly query?: Query;
  readonly body?: Body;
  readonly answer: Answer;
  /** Problems of its own, besides those every call may have. */
  readonly problems?: readonly ("missing" | "moved" | "refused" | "unavailable")[];
  run(
    call: Call<z.output<Params>, z.output<Query>, z.output<Body>>,
  ): Promise<z.input<Answer> | ProblemError> | z.input<Answer> | ProblemError;
}

// biome-ignore lint/suspicious/noExplicitAny: each operation's own schemas guard what goes into its run
export type AnyEndpoint = Endpoint<any, any, any, any>;

/** Declares an operation; the types of its call follow from its schemas. */
export function endpoint<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType, A extends z.ZodType>(
  declared: Endpoint<P, Q, B, A>,
): AnyEndpoint {
  return declared;
}
