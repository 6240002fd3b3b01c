import type * as z from "zod";
import type { Engine } from "../bridge/engine.ts";
import type { Evidence } from "../bridge/ledger/sealed-entries.ts";
import type { Connector } from "../bridge/model/connector.ts";
import type { Health } from "../bridge/model/target-health.ts";
import type { TimestampedAlert } from "../bridge/observability/alerts.ts";
import type { ApiProblem } from "./problem.ts";

/** The engine and services behind the operator API. */
export interface OpsContext {
  readonly engine: Engine;
  readonly host: "local" | "aws";
  readonly version: string;
  /** The ledger's seals, for verification. Absent if the ledger has none. */
  readonly evidence?: Evidence | undefined;
  /** Returns the alerts sent since this process started, oldest first. Absent if alerts are kept elsewhere. */
  readonly alerts?: () => readonly TimestampedAlert[];
  /** Probes a target from the process that can reach it. */
  readonly probe: (connector: Connector) => Promise<Health>;
  /**
   * Returns `yes` if a connector has its configuration and secret, else names the missing part. Absent if only the
   * connector's own process may read them.
   */
  readonly readiness?: (connector: Connector) => Promise<string>;
}

export interface Call<Params, Query, Body> {
  readonly ops: OpsContext;
  /** The caller's name, which is written to the ledger. */
  readonly actor: string;
  readonly params: Params;
  readonly query: Query;
  readonly body: Body;
}

/** One API operation. The server and the OpenAPI document both use its schemas. */
export interface Endpoint<
  Params extends z.ZodType = z.ZodType,
  Query extends z.ZodType = z.ZodType,
  Body extends z.ZodType = z.ZodType,
  Answer extends z.ZodType = z.ZodType,
> {
  readonly method: "get" | "post";
  /** `/api/packets/{id}` */
  readonly path: string;
  /** The OpenAPI operation id: `getPacket`. */
  readonly id: string;
  readonly summary: string;
  readonly params?: Params;
  readonly query?: Query;
  readonly body?: Body;
  readonly answer: Answer;
  /** Problems specific to this operation, in addition to those that every operation can return. */
  readonly problems?: readonly ("missing" | "moved" | "refused" | "unavailable")[];
  run(
    call: Call<z.output<Params>, z.output<Query>, z.output<Body>>,
  ): Promise<z.input<Answer> | ApiProblem> | z.input<Answer> | ApiProblem;
}

// biome-ignore lint/suspicious/noExplicitAny: each operation's own schemas validate the input of its `run`
export type AnyEndpoint = Endpoint<any, any, any, any>;

/** Declares an operation. The types of its call are inferred from its schemas. */
export function endpoint<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType, A extends z.ZodType>(
  declared: Endpoint<P, Q, B, A>,
): AnyEndpoint {
  return declared;
}
