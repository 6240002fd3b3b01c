import type { ZodError, ZodSafeParseResult, ZodType } from "zod";
import type { Engine } from "../engine.ts";
import { type Connector, type ConnectorState, type Context, connectorId } from "../model/connector.ts";
import { isClosed } from "../model/ledger-entry.ts";

export type ContextReading =
  | { readonly ok: true; readonly value: Context<unknown, unknown> }
  | { readonly ok: false; readonly reason: string };

const nothing = {};
const checked = new WeakMap<ZodType, { readonly given: unknown; readonly reading: ZodSafeParseResult<unknown> }>();

/** What is the same as at the last try is not checked again: configurations and secrets stay as they are for long. */
function check(schema: ZodType, given: unknown): ZodSafeParseResult<unknown> {
  const known = checked.get(schema);
  if (known && known.given === given) return known.reading;
  const reading = schema.safeParse(given);
  checked.set(schema, { given, reading });
  return reading;
}

/** A connector's configuration as it stands, or what is wrong with it. */
export function configOf(engine: Engine, connector: Connector): ZodSafeParseResult<unknown> {
  return check(connector.config, engine.configOf(connectorId(connector)) ?? nothing);
}

/**
 * What a connector needs for one try, or why that cannot be had.
 *
 * @param remembers under which name it remembers
 */
export async function contextOf(
  engine: Engine,
  connector: Connector,
  signal: AbortSignal,
  remembers = connectorId(connector),
): Promise<ContextReading> {
  const id = connectorId(connector);
  const config = configOf(engine, connector);
  if (!config.success) {
    return { ok: false, reason: configFault(config.error, engine.configOf(id)) };
  }
  let secret: unknown;
  if (connector.secret) {
    const given = check(connector.secret, await engine.secrets.get(id));
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
    value: { config: config.data, secret, http, memory: connectorStateOf(engine, remembers), signal },
  };
}

/** What a person must add or mend, without a value: an address may hold a password. */
function configFault({ issues }: ZodError, given: unknown): string {
  const lacks = issues.filter(({ code, path }) => code === "invalid_type" && valueAt(given, path) === undefined);
  const names = [...new Set(lacks.map(({ path }) => path.join(".")))].filter((name) => name !== "");
  if (names.length > 0) return `its configuration lacks ${names.join(", ")}`;
  const [issue] = issues;
  return `its configuration is wrong: ${[issue?.path.join("."), issue?.message].filter(Boolean).join(" ")}`;
}

function valueAt(given: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((here, key) => (here as Record<PropertyKey, unknown> | undefined)?.[key], given);
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
      if (written === "conflict") throw new Error(`what ${id} remembers was changed meanwhile`);
      etag++;
    },
    async isOpen(packet) {
      const [stored] = await engine.store.read("packet", [packet]);
      return stored !== undefined && !isClosed(stored.value.progress.status);
    },
  };
}
