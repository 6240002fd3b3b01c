import type { ServerResponse } from "node:http";
import { type Received, type TargetServer, targetServer } from "./target-server.ts";

type Attributes = Record<string, unknown>;

/** A feature service with one table, `0`, that speaks the documented JSON: 200 for nearly everything. */
export interface ArcgisServer {
  readonly target: TargetServer;
  /** The table's rows, by record number. */
  readonly rows: Map<number, Attributes>;
  /** Operations asked for, in order. */
  readonly asked: string[];
  /** Why a row is refused, or nothing: the database's constraint. */
  constraint: (attributes: Attributes) => string | undefined;
  /** A layer that cannot do otherwise undoes all for one bad row. */
  rollsBack: boolean;
  /** What the next `applyEdits` answers in place of its work. */
  failNext: unknown;
  /** Whom tokens are given to; absent: it asks for none. */
  user: { username: string; password: string } | undefined;
  /** Tokens that are good. */
  readonly tokens: Set<string>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Transcribed from the ArcGIS REST API: "Apply Edits (Feature Service/Layer)", "Edit result object", "Query (Feature
 * Service/Layer)", "Generate Token" (developers.arcgis.com/rest).
 */
export async function arcgisServer(): Promise<ArcgisServer> {
  let nextId = 3700;
  let nextToken = 0;
  const server: Omit<ArcgisServer, "target" | typeof Symbol.asyncDispose> = {
    rows: new Map(),
    asked: [],
    constraint: () => undefined,
    rollsBack: false,
    failNext: undefined,
    user: undefined,
    tokens: new Set(),
  };
  const referers = new Map<string, string>();
  const answer = (request: Received, response: ServerResponse) => {
    const operation = request.path.split("/").at(-1) ?? "";
    server.asked.push(operation);
    const form = new URLSearchParams(String(request.body ?? ""));
    send(response, work(operation, form, String(request.headers.referer)));
  };
  const work = (operation: string, form: URLSearchParams, referer: string): unknown => {
    if (operation === "generateToken") return generateToken(form);
    const token = form.get("token") ?? "";
    if (server.user && token === "") return failure(499, "Token Required");
    // One that was generated is bound to its referer.
    const bound = referers.get(token) ?? referer;
    if (server.user && (!server.tokens.has(token) || bound !== referer)) return failure(498, "Invalid token.");
    if (operation === "query") return query(form);
    return operation === "applyEdits" ? edits(form) : {};
  };
  const generateToken = (form: URLSearchParams) => {
    const { username, password } = server.user ?? {};
    if (form.get("username") !== username || form.get("password") !== password) {
      return failure(400, "Unable to generate token.", ["Invalid username or password."]);
    }
    const token = `token-${nextToken++}`;
    server.tokens.add(token);
    referers.set(token, form.get("referer") ?? "");
    return { token, expires: Date.now() + Number(form.get("expiration")) * 60_000, ssl: true };
  };
  const query = (form: URLSearchParams) => {
    const [, field = "", list = ""] = /^(\w+) IN \(((?:'(?:[^']|'')*'(?:, )?)+)\)$/.exec(form.get("where") ?? "") ?? [];
    if (field === "") return failure(400, "Unable to complete operation.", ["'where' clause is invalid."]);
    const keys = [...list.matchAll(/'((?:[^']|'')*)'/g)].map(([, key = ""]) => key.replaceAll("''", "'"));
    const out = (form.get("outFields") ?? "").split(",");
    const features = [...server.rows.values()]
      .filter((attributes) => keys.includes(String(attributes[field])))
      .map((attributes) => ({ attributes: Object.fromEntries(out.map((name) => [name, attributes[name]])) }));
    return { objectIdFieldName: "OBJECTID", fields: [], features };
  };
  const edits = (form: URLSearchParams) => {
    if (server.failNext !== undefined) {
      const failed = server.failNext;
      server.failNext = undefined;
      return failed;
    }
    const before = structuredClone(server.rows);
    const list = (name: string) => JSON.parse(form.get(name) ?? "[]") as never[];
    const results = {
      addResults: list("adds").map(({ attributes }: { attributes: Attributes }) => write(nextId++, attributes)),
      updateResults: list("updates").map(({ attributes }: { attributes: Attributes }) =>
        write(attributes.OBJECTID as number, attributes),
      ),
      deleteResults: list("deletes").map((id: number) => ({ objectId: id, success: server.rows.delete(id) })),
    };
    const all = Object.values(results).flat();
    if ((server.rollsBack || form.get("rollbackOnFailure") !== "false") && all.some(({ success }) => !success)) {
      server.rows.clear();
      for (const [id, row] of before) server.rows.set(id, row);
      for (const result of all.filter(({ success }) => success)) {
        Object.assign(result, { success: false, error: { code: 1003, description: "Operation rolled back." } });
      }
    }
    return results;
  };
  const write = (objectId: number, attributes: Attributes) => {
    const description = server.constraint(attributes);
    if (description !== undefined) return { objectId: -1, success: false, error: { code: 1000, description } };
    server.rows.set(objectId, { ...server.rows.get(objectId), ...attributes, OBJECTID: objectId });
    return { objectId, globalId: null, success: true };
  };
  const target = await targetServer(answer);
  return Object.assign(server, { target, [Symbol.asyncDispose]: target.close });
}

export function failure(code: number, message: string, details: readonly string[] = []) {
  return { error: { code, message, details } };
}

function send(response: ServerResponse, body: unknown): void {
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
}
