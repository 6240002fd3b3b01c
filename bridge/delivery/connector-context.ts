import type { ZodError, ZodSafeParseResult, ZodType } from "zod";
import type { Engine } from "../engine.ts";
import { type Connector, type ConnectorState, type Context, connectorId } from "../model/connector.ts";
import { isClosed } from "../model/ledger-entry.ts";

/** A connector's context, or the reason it is not available. */
export type ContextReading =
  | { readonly ok: true; readonly value: Context<unknown, unknown> }
  | { readonly ok: false; readonly reason: string };

const emptyConfig = {};
const lastResults = new WeakMap<ZodType, { readonly given: unknown; readonly result: ZodSafeParseResult<unknown> }>();

/**
 * Validates a value, or returns the previous result if the value is the same. Configurations and secrets rarely change.
 */
function validate(schema: ZodType, given: unknown): ZodSafeParseResult<unknown> {
  const previous = lastResults.get(schema);
  if (previous && previous.given === given) return previous.result;
  const result = schema.safeParse(given);
  lastResults.set(schema, { given, result });
  return result;
}

/** Returns a connector's validated configuration, or the issues found in it. */
export function configOf(engine: Engine, connector: Connector): ZodSafeParseResult<unknown> {
  return validate(connector.config, engine.configOf(connectorId(connector)) ?? emptyConfig);
}

/**
 * Returns the context for one call of a connector: configuration, secret, HTTP client and state.
 *
 * @param stateKey key of the connector's stored state
 */
export async function contextOf(
  engine: Engine,
  connector: Connector,
  signal: AbortSignal,
  stateKey = connectorId(connector),
): Promise<ContextReading> {
  const id = connectorId(connector);
  const config = configOf(engine, connector);
  if (!config.success) {
    return { ok: false, reason: configIssue(config.error, engine.configOf(id)) };
  }
  let secret: unknown;
  if (connector.secret) {
    const given = validate(connector.secret, await engine.secrets.get(id));
    if (!given.success) {
      return {
        ok: false,
        reason: `its secret is missing or incomplete: ${given.error.issues[0]?.path.join(".") || id}`,
      };
    }
    secret = given.data;
  }
  const http = engine.http(id, config.data);
  return {
    ok: true,
    value: { config: config.data, secret, http, memory: connectorStateOf(engine, stateKey), signal },
  };
}

/** Describes what is missing or wrong, without any value: an address may contain a password. */
function configIssue({ issues }: ZodError, given: unknown): string {
  const missing = issues.filter(({ code, path }) => code === "invalid_type" && valueAt(given, path) === undefined);
  const names = [...new Set(missing.map(({ path }) => path.join(".")))].filter((name) => name !== "");
  if (names.length > 0) return `its configuration lacks ${names.join(", ")}`;
  const [issue] = issues;
  return `its configuration is invalid: ${[issue?.path.join("."), issue?.message].filter(Boolean).join(" ")}`;
}

function valueAt(given: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((value, key) => (value as Record<PropertyKey, unknown> | undefined)?.[key], given);
}

function connectorStateOf(engine: Engine, id: string): ConnectorState {
  let etag = 0;
  return {
    async get() {
      const [stored] = await engine.store.read("memory", [id]);
      etag = stored?.etag ?? 0;
      return stored?.value.value;
    },
    async set(value) {
      const written = await engine.store.write([{ kind: "memory", id, value: { value }, etag }]);
      if (written === "conflict") throw new Error(`the state of ${id} was changed by another process; read it again`);
      etag++;
    },
    async isOpen(packetId) {
      const [stored] = await engine.store.read("packet", [packetId]);
      return stored !== undefined && !isClosed(stored.value.progress.status);
    },
  };
}
