import * as z from "zod";
import type { Http, HttpResponse } from "../../../bridge/model/connector.ts";
import { delivered, type Outcome, refused, retry } from "../../../bridge/model/outcome.ts";
import type { Packet } from "../../../bridge/model/packet.ts";
import { joinUrl, maxAnswerLength, outcomeOf, outcomeOfError } from "../http/client.ts";
import { redactValues } from "../http/problem-details.ts";
import { type CachedToken, cachedToken, type TokenResult } from "../http/token-cache.ts";

const fieldName = z.string().regex(/^[A-Za-z_]\w{0,63}$/, "is not a field's name such as ENTITY_ID");

/** A layer or table of an ArcGIS feature service, and how its records are told apart. */
export const arcgisTableSchema = z.strictObject({
  layer: z.int().min(0).describe("The layer's or table's number in the feature service."),
  keyField: fieldName.describe("The text field that tells records apart; it should have a unique index."),
  objectIdField: fieldName.default("OBJECTID").describe("The service's own record number."),
  tokenUrl: z.url().optional().describe("Where tokens are given out: https://…/sharing/rest/generateToken."),
});

export type ArcgisTable = z.output<typeof arcgisTableSchema>;

/** An API key or another lasting token, or a user for whom tokens are asked. */
export const arcgisSecretSchema = z.union([
  z.strictObject({ token: z.string().min(1) }),
  z.strictObject({ username: z.string().min(1), password: z.string().min(1) }),
]);

export type ArcgisSecret = z.output<typeof arcgisSecretSchema>;

interface Service {
  readonly baseUrl: string;
  readonly table: ArcgisTable;
  readonly secret: ArcgisSecret | undefined;
  readonly http: Http;
  readonly signal: AbortSignal;
}

/**
 * Writes packets to a feature service's table: adds what it does not have, updates what it has, deletes.
 *
 * Two calls for all of them: `query` finds the records by their key, `applyEdits` changes them with
 * `rollbackOnFailure=false`, and tells of each row.
 *
 * Sources: ArcGIS REST API, "Apply Edits (Feature Service/Layer)", "Edit result object", "Query (Feature
 * Service/Layer)", "Generate Token".
 */
export async function applyEdits(packets: readonly Packet[], service: Service): Promise<readonly Outcome[]> {
  const held = await tokenOf(service);
  if ("outcome" in held) return packets.map(() => held.outcome);
  const ask: Ask = (operation, form, sent) =>
    post(service, layerUrl(service, operation), { ...form, ...(held.token && { token: held.token }) }, sent);
  return (await editTogether(packets, service.table, ask)).map(held.dropIfRefused);
}

export function layerUrl({ baseUrl, table }: Pick<Service, "baseUrl" | "table">, ...more: string[]): string {
  return joinUrl(baseUrl, String(table.layer), ...more);
}

type Ask = (operation: string, form: Readonly<Record<string, string>>, sent: unknown) => Promise<Said>;

/** What the service said, or what came of its not saying it. */
type Said =
  | { readonly at: string; readonly answer: HttpResponse; readonly body: unknown }
  | { readonly outcome: Outcome };

/** All in one call; where that is refused as a whole each goes alone, so that one bad row does not fail the rest. */
async function editTogether(packets: readonly Packet[], table: ArcgisTable, ask: Ask): Promise<readonly Outcome[]> {
  const rows = await edit(packets, table, ask);
  const alone = packets.length === 1;
  if ("outcome" in rows) {
    if (alone || rows.outcome.kind !== "refused") return packets.map(() => rows.outcome);
    return (await Promise.all(packets.map((packet) => editTogether([packet], table, ask)))).flat();
  }
  // A layer may roll back all for one bad row, whatever it is asked: the good ones go again without it.
  const undone = packets.filter((_, i) => rows[i] === "rolled back");
  if (undone.length === 0 || undone.length === packets.length) return rows.map(outcomeOfRow);
  const again = await editTogether(undone, table, ask);
  return packets.map((packet, i) => again[undone.indexOf(packet)] ?? outcomeOfRow(rows[i] as Row));
}

/** What became of one row. */
type Row = Outcome | "rolled back";

function outcomeOfRow(row: Row): Outcome {
  return row === "rolled back" ? retry("the service rolled the edit back", { mayHaveLanded: false }) : row;
}

type Kind = "adds" | "updates" | "deletes";

/** What is to be done for one packet. */
interface Edit {
  readonly kind: Kind;
  readonly feature: unknown;
}

async function edit(
  packets: readonly Packet[],
  table: ArcgisTable,
  ask: Ask,
): Promise<readonly Row[] | { readonly outcome: Outcome }> {
  const found = await find(packets, table, ask);
  if ("outcome" in found) return found;
  const planned = packets.map((packet) => plan(packet, found.get(packet.entity) ?? [], table));
  const of = (kind: Kind) => planned.filter((each): each is Edit => "kind" in each && each.kind === kind);
  const kinds = (["adds", "updates", "deletes"] as const).filter((kind) => of(kind).length > 0);
  const results = new Map<Edit, Row>();
  if (kinds.length > 0) {
    const form = Object.fromEntries(
      kinds.map((kind) => [kind, JSON.stringify(of(kind).map(({ feature }) => feature))]),
    );
    const said = await ask("applyEdits", { f: "json", rollbackOnFailure: "false", ...form }, sentBy(packets));
    if ("outcome" in said) return said;
    const parsed = editsSchema.safeParse(said.body);
    for (const kind of kinds) {
      const rows = parsed.success ? parsed.data[resultsOf[kind]] : [];
      for (const [i, each] of of(kind).entries()) {
        results.set(each, rowOutcome(rows[i], said, sentBy(packets)));
      }
    }
  }
  return planned.map((each) => ("done" in each ? each.done : (results.get(each) as Row)));
}

function sentBy(packets: readonly Packet[]): unknown {
  return packets.map(({ entity, fields }) => ({ entity, fields }));
}

/** The record numbers of the records that are there, by their key. */
async function find(
  packets: readonly Packet[],
  { keyField, objectIdField }: ArcgisTable,
  ask: Ask,
): Promise<ReadonlyMap<string, readonly number[]> | { readonly outcome: Outcome }> {
  const keys = [...new Set(packets.map(({ entity }) => entity))];
  const where = `${keyField} IN (${keys.map((key) => `'${key.replaceAll("'", "''")}'`).join(", ")})`;
  const form = { f: "json", where, outFields: `${objectIdField},${keyField}`, returnGeometry: "false" };
  const said = await ask("query", form, sentBy(packets));
  if ("outcome" in said) {
    const { outcome } = said;
    return { outcome: outcome.kind === "retry" ? { ...outcome, mayHaveLanded: false } : outcome };
  }
  const parsed = z
    .looseObject({ features: z.array(z.looseObject({ attributes: z.record(z.string(), z.unknown()) })) })
    .safeParse(said.body);
  if (!parsed.success) return { outcome: retry("the query was not answered with features", { mayHaveLanded: false }) };
  const found = new Map<string, number[]>();
  for (const { attributes } of parsed.data.features) {
    const { [keyField]: key, [objectIdField]: id } = attributes;
    if (typeof key === "string" && typeof id === "number") found.set(key, [...(found.get(key) ?? []), id]);
  }
  return found;
}

function plan(packet: Packet, ids: readonly number[], table: ArcgisTable): Edit | { readonly done: Outcome } {
  const [id] = ids;
  if (ids.length > 1) {
    return { done: refused(`${ids.length} records have its key; ${table.keyField} should have a unique index`) };
  }
  if (packet.action === "delete") {
    return id === undefined ? { done: delivered({ at: "nothing was there" }) } : { kind: "deletes", feature: id };
  }
  return id === undefined
    ? { kind: "adds", feature: { attributes: { ...packet.fields, [table.keyField]: packet.entity } } }
    : { kind: "updates", feature: { attributes: { ...packet.fields, [table.objectIdField]: id } } };
}

const resultsOf = { adds: "addResults", updates: "updateResults", deletes: "deleteResults" } as const;

const resultSchema = z.looseObject({
  objectId: z.number().nullish(),
  success: z.boolean(),
  error: z.looseObject({ code: z.coerce.number(), description: z.string().catch("") }).optional(),
});

const editsSchema = z.looseObject({
  addResults: z.array(resultSchema).default([]),
  updateResults: z.array(resultSchema).default([]),
  deleteResults: z.array(resultSchema).default([]),
});

/** "Operation rolled back." */
const rolledBackCode = 1_003;

function rowOutcome(
  row: z.output<typeof resultSchema> | undefined,
  { at, answer: { status } }: Extract<Said, { answer: HttpResponse }>,
  sent: unknown,
): Row {
  if (!row) return retry(`answered ${status} and did not say what became of each row`, { status });
  if (row.success) {
    return delivered({ at, status, ...(row.objectId && { remoteId: String(row.objectId) }) });
  }
  if (row.error?.code === rolledBackCode) return "rolled back";
  const why = redactValues(row.error?.description ?? "", sent);
  const reason = `the service refused the row (${row.error?.code ?? "no code"})${why && `: ${why}`}`;
  return refused(reason, { status, answer: JSON.stringify(row).slice(0, maxAnswerLength) });
}

/** Invalid token, and token required: codes of its own. Source: ArcGIS REST API, "Error handling". */
const tokenCodes = [498, 499];

const errorSchema = z.looseObject({
  error: z.looseObject({ code: z.number(), message: z.string().catch(""), details: z.unknown() }),
});

/** Asks the service something. It answers 200 for nearly everything, and puts what went wrong into the body. */
async function post(
  { http, signal }: Pick<Service, "http" | "signal">,
  url: string,
  form: Readonly<Record<string, string>>,
  sent: unknown,
): Promise<Said> {
  try {
    const text = { type: "application/x-www-form-urlencoded", body: new URLSearchParams(form).toString() };
    const answer = await http.request({ method: "POST", url, text, headers: { referer: refererOf(url) }, signal });
    const at = new URL(url).pathname;
    const outcome = outcomeOf(answer, at, sent);
    if (outcome.kind !== "delivered") return { outcome };
    const body: unknown = answer.body === "" ? undefined : JSON.parse(answer.body);
    const failed = errorSchema.safeParse(body);
    return failed.success ? { outcome: outcomeOfServiceError(failed.data.error, answer, sent) } : { at, answer, body };
  } catch (error) {
    return { outcome: outcomeOfError(error) };
  }
}

function outcomeOfServiceError(
  { code, message }: z.output<typeof errorSchema>["error"],
  answer: HttpResponse,
  sent: unknown,
): Outcome {
  const status = answer.status;
  if (tokenCodes.includes(code))
    return retry(`refused the token (${code})`, { status, mayHaveLanded: false, auth: true });
  // The codes are those of HTTP.
  const judged = outcomeOf({ ...answer, status: code, body: "" }, "", undefined);
  if (judged.kind === "retry") return judged;
  const why = redactValues(message, sent);
  const reason = `the service answered ${code}${why && `: ${why}`}`;
  return refused(reason, { status, answer: answer.body.slice(0, maxAnswerLength) });
}

/** A token is bound to a referer: the address of the network we call from may change. */
function refererOf(url: string): string {
  return new URL(url).origin;
}

const noToken: CachedToken = { token: "", dropIfRefused: (outcome) => outcome };

async function tokenOf(service: Service): Promise<CachedToken | { readonly outcome: Outcome }> {
  const { secret, table, http } = service;
  if (secret === undefined) return noToken;
  if ("token" in secret) return { ...noToken, token: secret.token };
  const { tokenUrl } = table;
  if (tokenUrl === undefined) {
    const reason = "its secret has a user, and its configuration no tokenUrl";
    return { outcome: retry(reason, { code: "setup", mayHaveLanded: false }) };
  }
  return cachedToken(http, JSON.stringify([tokenUrl, secret]), () => fetchToken(service, tokenUrl, secret));
}

const tokenSchema = z.looseObject({ token: z.string().min(1), expires: z.number() });

/** Minutes a token is asked for. The service may give less. */
const tokenMinutes = "60";

async function fetchToken(
  service: Service,
  tokenUrl: string,
  { username, password }: { readonly username: string; readonly password: string },
): Promise<TokenResult> {
  const referer = refererOf(service.baseUrl);
  const form = { f: "json", username, password, client: "referer", referer, expiration: tokenMinutes };
  const said = await post(service, tokenUrl, form, [username, password]);
  if ("outcome" in said) {
    const { outcome } = said;
    if (outcome.kind === "retry")
      return { outcome: { ...outcome, reason: `no token: ${outcome.reason}`, mayHaveLanded: false } };
    // "Unable to generate token", with 400: it does not know the user, or the password.
    return { outcome: retry("no token: the user was refused", { status: 400, mayHaveLanded: false, auth: true }) };
  }
  const parsed = tokenSchema.safeParse(said.body);
  if (!parsed.success)
    return { outcome: retry("no token: answered without one", { code: "answered", mayHaveLanded: false }) };
  return { token: parsed.data.token, livesMs: Math.max(0, parsed.data.expires - Date.now()) };
}
