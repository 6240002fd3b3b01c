// Writes packets to a table or layer of an ArcGIS feature service.
// Sources: ArcGIS REST API, "Apply Edits (Feature Service/Layer)", "Edit result object", "Query (Feature
// Service/Layer)", "Generate Token", "Error handling".
import * as z from "zod";
import type { Http, HttpResponse } from "../../../bridge/model/connector.ts";
import { delivered, type Outcome, refused, retry } from "../../../bridge/model/outcome.ts";
import type { Packet } from "../../../bridge/model/packet.ts";
import { joinUrl, maxAnswerLength, outcomeOf, outcomeOfError } from "../http/client.ts";
import { redactValues } from "../http/problem-details.ts";
import { type CachedToken, cachedToken, type TokenResult } from "../http/token-cache.ts";

const fieldName = z.string().regex(/^[A-Za-z_]\w{0,63}$/, "is not a field name such as ENTITY_ID");

/** A table or layer of a feature service, and the fields that identify its records. */
export const arcgisTableSchema = z.strictObject({
  layer: z.int().min(0).describe("The number of the layer or table in the feature service."),
  keyField: fieldName.describe("The text field with the record's key; it should have a unique index."),
  objectIdField: fieldName.default("OBJECTID").describe("The field with the service's own record number."),
  tokenUrl: z.url().optional().describe("The address that issues tokens: https://…/sharing/rest/generateToken."),
});

export type ArcgisTable = z.output<typeof arcgisTableSchema>;

/** A permanent token, such as an API key, or a user to request tokens for. */
export const arcgisSecretSchema = z.union([
  z.strictObject({ token: z.string().min(1) }),
  z.strictObject({ username: z.string().min(1), password: z.string().min(1) }),
]);

export type ArcgisSecret = z.output<typeof arcgisSecretSchema>;

interface FeatureService {
  readonly baseUrl: string;
  readonly table: ArcgisTable;
  readonly secret: ArcgisSecret | undefined;
  readonly http: Http;
  readonly signal: AbortSignal;
}

type Form = Readonly<Record<string, string>>;

interface Failed {
  readonly outcome: Outcome;
}

/** Successful response of the service. */
interface ServiceResponse {
  /** Path of the request. */
  readonly at: string;
  readonly response: HttpResponse;
  /** Parsed JSON body. */
  readonly body: unknown;
}

/** Calls an operation of the table. `sent` holds the values to redact in messages. */
type Call = (operation: string, form: Form, sent: unknown) => Promise<ServiceResponse | Failed>;

/**
 * Adds, updates and deletes the records of all packets with two calls. Returns one outcome per packet, in their order.
 *
 * `query` finds the existing records by key. `applyEdits` changes them with `rollbackOnFailure=false` and returns one
 * result per row.
 */
export async function applyEdits(packets: readonly Packet[], service: FeatureService): Promise<readonly Outcome[]> {
  const access = await tokenOf(service);
  if ("outcome" in access) return packets.map(() => access.outcome);
  const call: Call = (operation, form, sent) =>
    post(service, layerUrl(service, operation), { ...form, ...(access.token && { token: access.token }) }, sent);
  return (await editBatch(packets, service.table, call)).map(access.dropIfRefused);
}

export function layerUrl({ baseUrl, table }: Pick<FeatureService, "baseUrl" | "table">, ...more: string[]): string {
  return joinUrl(baseUrl, String(table.layer), ...more);
}

/**
 * Edits all packets in one call. If the service refuses the whole call, each packet is sent alone, so that one bad row
 * does not fail the others.
 */
async function editBatch(packets: readonly Packet[], table: ArcgisTable, call: Call): Promise<readonly Outcome[]> {
  const rows = await edit(packets, table, call);
  if ("outcome" in rows) {
    if (packets.length === 1 || rows.outcome.kind !== "refused") return packets.map(() => rows.outcome);
    return (await Promise.all(packets.map((packet) => editBatch([packet], table, call)))).flat();
  }
  // Some layers roll back all rows because of a bad one despite rollbackOnFailure=false. The good rows are sent again.
  const rolledBack = packets.filter((_, i) => rows[i] === "rolled back");
  if (rolledBack.length === 0 || rolledBack.length === packets.length) return rows.map(outcomeOfRow);
  const repeated = await editBatch(rolledBack, table, call);
  return packets.map((packet, i) => repeated[rolledBack.indexOf(packet)] ?? outcomeOfRow(rows[i] as RowResult));
}

type RowResult = Outcome | "rolled back";

function outcomeOfRow(row: RowResult): Outcome {
  return row === "rolled back" ? retry("the service rolled the edit back", { mayHaveLanded: false }) : row;
}

type EditKind = "adds" | "updates" | "deletes";

/** One entry of an `applyEdits` request. */
interface Edit {
  readonly kind: EditKind;
  /** Attributes of the record, or its record number to delete it. */
  readonly feature: unknown;
}

/** Sends one `query` and, if anything has to change, one `applyEdits`. Returns one result per packet. */
async function edit(
  packets: readonly Packet[],
  table: ArcgisTable,
  call: Call,
): Promise<readonly RowResult[] | Failed> {
  const found = await findRecords(packets, table, call);
  if ("outcome" in found) return found;
  const planned = packets.map((packet) => plan(packet, found.get(packet.entity) ?? [], table));
  const edits = planned.filter((each): each is Edit => "kind" in each);
  const results = await sendEdits(edits, sentBy(packets), call);
  if ("outcome" in results) return results;
  return planned.map((each) => ("done" in each ? each.done : (results.get(each) as RowResult)));
}

async function sendEdits(
  edits: readonly Edit[],
  sent: unknown,
  call: Call,
): Promise<ReadonlyMap<Edit, RowResult> | Failed> {
  const results = new Map<Edit, RowResult>();
  if (edits.length === 0) return results;
  const ofKind = (kind: EditKind) => edits.filter((each) => each.kind === kind);
  const kinds = (["adds", "updates", "deletes"] as const).filter((kind) => ofKind(kind).length > 0);
  const form = Object.fromEntries(
    kinds.map((kind) => [kind, JSON.stringify(ofKind(kind).map(({ feature }) => feature))]),
  );
  const response = await call("applyEdits", { f: "json", rollbackOnFailure: "false", ...form }, sent);
  if ("outcome" in response) return response;
  const parsed = editsSchema.safeParse(response.body);
  for (const kind of kinds) {
    // The service returns the results of each kind in the order of the request.
    const rows = parsed.success ? parsed.data[resultsOf[kind]] : [];
    for (const [i, each] of ofKind(kind).entries()) results.set(each, rowResult(rows[i], response, sent));
  }
  return results;
}

function sentBy(packets: readonly Packet[]): unknown {
  return packets.map(({ entity, fields }) => ({ entity, fields }));
}

/** Returns the record numbers of the existing records, by key. */
async function findRecords(
  packets: readonly Packet[],
  { keyField, objectIdField }: ArcgisTable,
  call: Call,
): Promise<ReadonlyMap<string, readonly number[]> | Failed> {
  const keys = [...new Set(packets.map(({ entity }) => entity))];
  const where = `${keyField} IN (${keys.map((key) => `'${key.replaceAll("'", "''")}'`).join(", ")})`;
  const form = { f: "json", where, outFields: `${objectIdField},${keyField}`, returnGeometry: "false" };
  const response = await call("query", form, sentBy(packets));
  if ("outcome" in response) {
    const { outcome } = response;
    return { outcome: outcome.kind === "retry" ? { ...outcome, mayHaveLanded: false } : outcome };
  }
  const parsed = z
    .looseObject({ features: z.array(z.looseObject({ attributes: z.record(z.string(), z.unknown()) })) })
    .safeParse(response.body);
  if (!parsed.success) return { outcome: retry("the query response has no features", { mayHaveLanded: false }) };
  const found = new Map<string, number[]>();
  for (const { attributes } of parsed.data.features) {
    const { [keyField]: key, [objectIdField]: id } = attributes;
    if (typeof key === "string" && typeof id === "number") found.set(key, [...(found.get(key) ?? []), id]);
  }
  return found;
}

/** Returns the edit for a packet, or its outcome if no edit can or need be made. */
function plan(packet: Packet, ids: readonly number[], table: ArcgisTable): Edit | { readonly done: Outcome } {
  const [id] = ids;
  if (ids.length > 1) {
    return { done: refused(`${ids.length} records have its key; ${table.keyField} should have a unique index`) };
  }
  if (packet.action === "delete") {
    return id === undefined ? { done: delivered({ at: "no record to delete" }) } : { kind: "deletes", feature: id };
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

function rowResult(
  row: z.output<typeof resultSchema> | undefined,
  { at, response: { status } }: ServiceResponse,
  sent: unknown,
): RowResult {
  if (!row) return retry(`answered ${status} without a result for each row`, { status });
  if (row.success) {
    return delivered({ at, status, ...(row.objectId && { remoteId: String(row.objectId) }) });
  }
  if (row.error?.code === rolledBackCode) return "rolled back";
  const why = redactValues(row.error?.description ?? "", sent);
  const reason = `the service refused the row (${row.error?.code ?? "no code"})${why && `: ${why}`}`;
  return refused(reason, { status, answer: JSON.stringify(row).slice(0, maxAnswerLength) });
}

/** ArcGIS error codes for an invalid and for a missing token. */
const tokenCodes = [498, 499];

const errorSchema = z.looseObject({
  error: z.looseObject({ code: z.number(), message: z.string().catch(""), details: z.unknown() }),
});

/** Sends a request to the service. Almost every response has status 200; an error is in the body. */
async function post(
  { http, signal }: Pick<FeatureService, "http" | "signal">,
  url: string,
  form: Form,
  sent: unknown,
): Promise<ServiceResponse | Failed> {
  try {
    const text = { type: "application/x-www-form-urlencoded", body: new URLSearchParams(form).toString() };
    const response = await http.request({ method: "POST", url, text, headers: { referer: refererOf(url) }, signal });
    const at = new URL(url).pathname;
    const outcome = outcomeOf(response, at, sent);
    if (outcome.kind !== "delivered") return { outcome };
    const body: unknown = response.body === "" ? undefined : JSON.parse(response.body);
    const failed = errorSchema.safeParse(body);
    if (failed.success) return { outcome: outcomeOfServiceError(failed.data.error, response, sent) };
    return { at, response, body };
  } catch (error) {
    return { outcome: outcomeOfError(error) };
  }
}

function outcomeOfServiceError(
  { code, message }: z.output<typeof errorSchema>["error"],
  response: HttpResponse,
  sent: unknown,
): Outcome {
  const { status } = response;
  if (tokenCodes.includes(code))
    return retry(`refused the token (${code})`, { status, mayHaveLanded: false, auth: true });
  // All other error codes are HTTP status codes.
  const outcome = outcomeOf({ ...response, status: code, body: "" }, "", undefined);
  if (outcome.kind === "retry") return outcome;
  const why = redactValues(message, sent);
  const reason = `the service answered ${code}${why && `: ${why}`}`;
  return refused(reason, { status, answer: response.body.slice(0, maxAnswerLength) });
}

/** Returns the referer that tokens are bound to. A token bound to an IP address would fail when the address changes. */
function refererOf(url: string): string {
  return new URL(url).origin;
}

const noToken: CachedToken = { token: "", dropIfRefused: (outcome) => outcome };

async function tokenOf(service: FeatureService): Promise<CachedToken | Failed> {
  const { secret, table, http } = service;
  if (secret === undefined) return noToken;
  if ("token" in secret) return { ...noToken, token: secret.token };
  const { tokenUrl } = table;
  if (tokenUrl === undefined) {
    const reason = "its secret has a username, but its configuration has no tokenUrl";
    return { outcome: retry(reason, { code: "setup", mayHaveLanded: false }) };
  }
  return cachedToken(http, JSON.stringify([tokenUrl, secret]), () => fetchToken(service, tokenUrl, secret));
}

const tokenSchema = z.looseObject({ token: z.string().min(1), expires: z.number() });

/** Requested lifetime of a token in minutes. The service may issue a shorter one. */
const tokenMinutes = "60";

async function fetchToken(
  service: FeatureService,
  tokenUrl: string,
  { username, password }: { readonly username: string; readonly password: string },
): Promise<TokenResult> {
  const referer = refererOf(service.baseUrl);
  const form = { f: "json", username, password, client: "referer", referer, expiration: tokenMinutes };
  const response = await post(service, tokenUrl, form, [username, password]);
  if ("outcome" in response) {
    const { outcome } = response;
    if (outcome.kind === "retry")
      return { outcome: { ...outcome, reason: `no token: ${outcome.reason}`, mayHaveLanded: false } };
    // The service answers an unknown user or a wrong password with 400, "Unable to generate token".
    return { outcome: retry("no token: the user was refused", { status: 400, mayHaveLanded: false, auth: true }) };
  }
  const parsed = tokenSchema.safeParse(response.body);
  if (!parsed.success)
    return { outcome: retry("no token: the response has none", { code: "answered", mayHaveLanded: false }) };
  return { token: parsed.data.token, livesMs: Math.max(0, parsed.data.expires - Date.now()) };
}
