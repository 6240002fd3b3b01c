import type { ServerResponse } from "node:http";
import { type Received, type TargetServer, targetServer } from "./target-server.ts";

type Attributes = Record<string, unknown>;

/** A feature service with one table, `0`. As the real one does, it answers almost every call with status 200. */
export interface ArcgisServer {
  readonly target: TargetServer;
  /** The table's rows, by object id. */
  readonly rows: Map<number, Attributes>;
  /** Names of the operations called, in order. */
  readonly asked: string[];
  /** Plays the database's constraint: returns the reason to refuse a row, or `undefined`. */
  constraint: (attributes: Attributes) => string | undefined;
  /** True for a layer that always rolls back every edit if one fails. */
  rollsBack: boolean;
  /** Answer of the next `applyEdits`, which then changes nothing. */
  failNext: unknown;
  /** The user who may generate tokens. If absent, the service requires no token. */
  user: { username: string; password: string } | undefined;
  /** Valid tokens. */
  readonly tokens: Set<string>;
  [Symbol.asyncDispose](): Promise<void>;
}

type State = Omit<ArcgisServer, "target" | typeof Symbol.asyncDispose>;

/**
 * Transcribed from the ArcGIS REST API: "Apply Edits (Feature Service/Layer)", "Edit result object", "Query (Feature
 * Service/Layer)", "Generate Token" (developers.arcgis.com/rest).
 */
export async function arcgisServer(): Promise<ArcgisServer> {
  const state: State = {
    rows: new Map(),
    asked: [],
    constraint: () => undefined,
    rollsBack: false,
    failNext: undefined,
    user: undefined,
    tokens: new Set(),
  };
  const refererOfToken = new Map<string, string>();
  let objectIds = 3_700;
  const nextObjectId = () => objectIds++;
  const handle = (operation: string, form: URLSearchParams, referer: string): unknown => {
    if (operation === "generateToken") return generateToken(state, refererOfToken, form);
    const token = form.get("token") ?? "";
    if (state.user && token === "") return failure(499, "Token Required");
    const boundReferer = refererOfToken.get(token) ?? referer;
    if (state.user && (!state.tokens.has(token) || boundReferer !== referer)) return failure(498, "Invalid token.");
    if (operation === "query") return query(state, form);
    return operation === "applyEdits" ? applyEdits(state, form, nextObjectId) : {};
  };
  const target = await targetServer((request: Received, response: ServerResponse) => {
    const operation = request.path.split("/").at(-1) ?? "";
    state.asked.push(operation);
    const form = new URLSearchParams(String(request.body ?? ""));
    const body = handle(operation, form, String(request.headers.referer));
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
  });
  return Object.assign(state, { target, [Symbol.asyncDispose]: target.close });
}

/** Issues a token that is valid only with the referer for which it was generated. */
function generateToken(state: State, refererOfToken: Map<string, string>, form: URLSearchParams) {
  const { username, password } = state.user ?? {};
  if (form.get("username") !== username || form.get("password") !== password) {
    return failure(400, "Unable to generate token.", ["Invalid username or password."]);
  }
  const token = `token-${refererOfToken.size}`;
  state.tokens.add(token);
  refererOfToken.set(token, form.get("referer") ?? "");
  return { token, expires: Date.now() + Number(form.get("expiration")) * 60_000, ssl: true };
}

function query({ rows }: State, form: URLSearchParams) {
  const [, field = "", list = ""] = /^(\w+) IN \(((?:'(?:[^']|'')*'(?:, )?)+)\)$/.exec(form.get("where") ?? "") ?? [];
  if (field === "") return failure(400, "Unable to complete operation.", ["'where' clause is invalid."]);
  const keys = [...list.matchAll(/'((?:[^']|'')*)'/g)].map(([, key = ""]) => key.replaceAll("''", "'"));
  const outFields = (form.get("outFields") ?? "").split(",");
  const features = [...rows.values()]
    .filter((attributes) => keys.includes(String(attributes[field])))
    .map((attributes) => ({ attributes: Object.fromEntries(outFields.map((name) => [name, attributes[name]])) }));
  return { objectIdFieldName: "OBJECTID", fields: [], features };
}

function applyEdits(state: State, form: URLSearchParams, nextObjectId: () => number) {
  if (state.failNext !== undefined) {
    const failed = state.failNext;
    state.failNext = undefined;
    return failed;
  }
  const before = structuredClone(state.rows);
  const list = (name: string) => JSON.parse(form.get(name) ?? "[]") as never[];
  const results = {
    addResults: list("adds").map(({ attributes }: { attributes: Attributes }) =>
      writeRow(state, nextObjectId(), attributes),
    ),
    updateResults: list("updates").map(({ attributes }: { attributes: Attributes }) =>
      writeRow(state, attributes.OBJECTID as number, attributes),
    ),
    deleteResults: list("deletes").map((id: number) => ({ objectId: id, success: state.rows.delete(id) })),
  };
  const all = Object.values(results).flat();
  if ((state.rollsBack || form.get("rollbackOnFailure") !== "false") && all.some(({ success }) => !success)) {
    state.rows.clear();
    for (const [id, row] of before) state.rows.set(id, row);
    for (const result of all.filter(({ success }) => success)) {
      Object.assign(result, { success: false, error: { code: 1003, description: "Operation rolled back." } });
    }
  }
  return results;
}

function writeRow({ rows, constraint }: State, objectId: number, attributes: Attributes) {
  const description = constraint(attributes);
  if (description !== undefined) return { objectId: -1, success: false, error: { code: 1000, description } };
  rows.set(objectId, { ...rows.get(objectId), ...attributes, OBJECTID: objectId });
  return { objectId, globalId: null, success: true };
}

export function failure(code: number, message: string, details: readonly string[] = []) {
  return { error: { code, message, details } };
}
