import type { ZodError, ZodSafeParseResult, ZodType } from "zod";
import type { Engine } from "./engine.ts";
import { type Connector, type Context, connectorId, type Memory } from "./model/connector.ts";
import { isClosed } from "./model/ledger-entry.ts";
import { type Outcome, type RetryCode, retry } from "./model/outcome.ts";
import type { Packet } from "./model/packet.ts";
import { errorName } from "./observability/log.ts";

/**
 * One call of a target: a packet, or several where it takes many at once. All within one deadline, with fresh
 * credentials once for what the first were refused for.
 *
 * @returns an outcome a packet, in their order; a failure of the call as a whole is everybody's
 */
export async function call(engine: Engine, connector: Connector, packets: readonly Packet[]): Promise<Outcome[]> {
  const outcomes = new Map<Packet, Outcome>();
  let open = packets;
  let mayHaveLanded = false;
  const end = (reason: string, code: RetryCode) => {
    for (const packet of open) outcomes.set(packet, retry(reason, { code, mayHaveLanded }));
  };
  try {
    const inTime = await withinDeadline(engine, false, async (signal) => {
      for (let again = false; open.length > 0; again = true) {
        const context = await contextOf(engine, connector, signal);
        if (signal.aborted) return false;
        if (!context.ok) {
          end(context.reason, "setup");
          return true;
        }
        mayHaveLanded = true;
        const answers = await sendAll(connector, open, context.value);
        if (signal.aborted) return false;
        for (const [i, packet] of open.entries()) outcomes.set(packet, answers[i] as Outcome);
        open = again ? [] : open.filter((_, i) => wantsCredentials(answers[i] as Outcome));
        mayHaveLanded = false;
        if (open.length > 0) await engine.secrets.refresh(connectorId(connector));
      }
      return true;
    });
    if (!inTime) end(`no answer within ${engine.times.sendMs} ms`, "no-answer");
  } catch (error) {
    end(`the connector failed: ${errorName(error)}`, "threw");
  }
  return packets.map((packet) => outcomes.get(packet) as Outcome);
}

/** @throws where the connector does not say what became of each packet */
async function sendAll(
  connector: Connector,
  packets: readonly Packet[],
  context: Context<unknown, unknown>,
): Promise<readonly Outcome[]> {
  if (!connector.sendBatch) return Promise.all(packets.map((packet) => connector.send(packet, context)));
  const outcomes = await connector.sendBatch(packets, context);
  if (outcomes.length !== packets.length) {
    throw new RangeError(`${connectorId(connector)} gave ${outcomes.length} outcomes for ${packets.length} packets`);
  }
  return outcomes;
}

function wantsCredentials(outcome: Outcome): boolean {
  return outcome.kind === "retry" && outcome.auth === true;
}

/** Runs work that must end in time; when it does not, its signal aborts and `late` is the result. */
export async function withinDeadline<T>(
  engine: Engine,
  late: T,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const over = new AbortController();
  return new Promise<T>((resolve, reject) => {
    const cancel = engine.clock.after(engine.times.sendMs, () => {
      over.abort();
      resolve(late);
    });
    work(over.signal).then(resolve, reject).finally(cancel);
  });
}

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
  return { ok: true, value: { config: config.data, secret, http, memory: memoryOf(engine, remembers), signal } };
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

function memoryOf(engine: Engine, id: string): Memory {
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
