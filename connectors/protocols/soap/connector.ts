import { readFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import type { Client } from "soap/lib/client.js";
import type { IHttpClient, IOptions } from "soap/lib/types.js";
import type { WSDL } from "soap/lib/wsdl/index.js";
import * as z from "zod";
import { type Connector, type Context, defineConnector, type Http, type Tls } from "../../../bridge/model/connector.ts";
import { delivered, type Outcome, refused, retry } from "../../../bridge/model/outcome.ts";
import type { Packet } from "../../../bridge/model/packet.ts";
import { nest } from "../../../bridge/values/field-path.ts";
import type { Json, JsonObject } from "../../../bridge/values/json.ts";
import { HttpError, outcomeOf } from "../http/client.ts";
import { readAnswer, readXml } from "./response.ts";

const partName = z
  .string()
  .regex(/^[A-Za-z_][\w-]*(\.[A-Za-z_][\w-]*)*$/, "is no path of element names such as schedule.teleworkHours");

const configSchema = z.strictObject({
  endpoint: z.url().describe("Where the service is called. What the WSDL says of that does not count."),
  wsdl: z.string().min(1).describe("The service's WSDL: a file, or an address beginning with https:."),
  operation: z.string().min(1).describe("The operation that takes a change."),
  deleteOperation: z.string().min(1).optional().describe("The operation that takes a deletion."),
  parts: z
    .record(partName, z.string().min(1))
    .describe(
      "Which part of the request holds which field, in the order the service wants them. $entity is the record's key, " +
        "$packet the packet's id, $action upsert or delete. A packet with a field that is in no part is refused.",
    ),
  soap: z.enum(["1.1", "1.2"]).default("1.1").describe("The version of SOAP."),
  security: z
    .enum(["digest", "text", "none"])
    .default("digest")
    .describe("How WS-Security's username token carries the password."),
  addressing: z.boolean().default(false).describe("Send WS-Addressing headers; MessageID is made of the packet's id."),
  faults: z
    .strictObject({
      refused: z.array(z.string()).default([]).describe("Codes that say: never. The packet is held."),
      retry: z.array(z.string()).default([]).describe("Codes that say: nothing was done, ask again."),
    })
    .prefault({})
    .describe("What the service's own fault codes and subcodes mean, without their prefix."),
  probe: z.url().optional().describe("What the probe asks for. If not said: the endpoint with ?wsdl."),
});

type Config = z.output<typeof configSchema>;

const secretSchema = z
  .strictObject({
    username: z.string().min(1).optional(),
    password: z.string().min(1).optional(),
    /** A certificate of ours, its key, and an authority to trust, in PEM. */
    cert: z.string().optional(),
    key: z.string().optional(),
    ca: z.string().optional(),
  })
  .default({});

type Secret = z.output<typeof secretSchema>;

export interface SoapDeclaration {
  readonly name: string;
  /**
   * Whether the operation may be called again: it sets values, or knows a message's id again. SOAP itself says nothing of
   * that. Where it may not, a call without an answer is held.
   */
  readonly idempotent: boolean;
}

/** A connector to one operation of a service, described by its WSDL. A second service is a second file. */
export function soapConnector({ name, idempotent }: SoapDeclaration): Connector<Config, Secret> {
  return defineConnector({
    name,
    version: "v1",
    order: "latest",
    idempotent,
    deletes: true,
    config: configSchema,
    secret: secretSchema,
    rate: { concurrency: 10 },
    needs: ({ wsdl }) =>
      isAddress(wsdl) ? { puts: [] } : { fault: "wsdl is a file of one machine; on AWS say an https: address" },
    send,
    probe: ({ config, http, signal }) => http.isAwake(config.probe ?? `${config.endpoint}?wsdl`, signal),
  });
}

async function send(packet: Packet, context: Context<Config, Secret>): Promise<Outcome> {
  const { config, secret, http, signal } = context;
  const operation = packet.action === "delete" ? config.deleteOperation : config.operation;
  if (operation === undefined) return refused("no deleteOperation is configured");
  const parts = partsOf(packet, config);
  if (typeof parts === "string") return refused(parts);
  if (config.security !== "none" && !(secret.username && secret.password)) {
    return retry("its secret has no username and password for WS-Security", { code: "setup", mayHaveLanded: false });
  }
  const tls = tlsOf(secret);
  let wsdl: WSDL;
  try {
    wsdl = await wsdlOf(config, { http, ...(tls && { tls }), signal });
  } catch (error) {
    return retry(`its WSDL cannot be used: ${(error as Error).message}`, { code: "setup", mayHaveLanded: false });
  }
  const message = await messageOf(operation, parts, { packet, config, secret, wsdl });
  if (typeof message === "string") return retry(message, { code: "setup", mayHaveLanded: false });
  const { "Content-Type": type = "text/xml; charset=utf-8", ...headers } = message.headers;
  try {
    const response = await http.request({
      method: "POST",
      url: config.endpoint,
      text: { type, body: message.xml },
      headers: { ...headers, accept: "text/xml, application/soap+xml" },
      idempotencyKey: packet.id,
      ...(tls && { tls }),
      signal,
    });
    return await judge(response, config, message.isOneWay);
  } catch (error) {
    if (!(error instanceof HttpError)) throw error;
    return retry(error.message, { code: "no-answer", mayHaveLanded: error.mayHaveLanded });
  }
}

function tlsOf({ cert, key, ca }: Secret): Tls | undefined {
  return cert === undefined && ca === undefined ? undefined : { cert, key, ca };
}

/** The parts of the request, in the order of the configuration; or, as text, why the packet cannot be sent. */
function partsOf(packet: Packet, { parts }: Config): JsonObject | string {
  const known: JsonObject = { $entity: packet.entity, $packet: packet.id, $action: packet.action };
  const fields = packet.action === "delete" ? {} : packet.fields;
  const sources = new Set(Object.values(parts));
  const homeless = Object.keys(fields).find((field) => !sources.has(field));
  if (homeless !== undefined) return `the field ${homeless} is in no part of the request; name it under parts`;
  const request: JsonObject = {};
  for (const [part, source] of Object.entries(parts)) {
    const from = source.startsWith("$") ? known : fields;
    if (!Object.hasOwn(from, source)) continue;
    const text = xmlText(from[source] as Json);
    if (text === undefined) return `${source}, for ${part}, is no text, number or list of them that XML can carry`;
    request[part] = text;
  }
  return nest(request);
}

/**
 * A value as text of XML. Escaped here, because the library lets through what looks like a CDATA section; and nothing
 * but plain values and lists of them, because the library takes some keys of an object for raw XML and attributes.
 */
function xmlText(value: Json): Json | undefined {
  if (value === null) return null;
  if (Array.isArray(value)) {
    const items = value.map((item) => (Array.isArray(item) || item === null ? undefined : xmlText(item)));
    return items.every((item) => item !== undefined) ? items : undefined;
  }
  if (typeof value === "object") return undefined;
  const text = String(value);
  // Source: XML 1.0, "Char".
  if (/[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/u.test(text)) return undefined;
  return escaped(text);
}

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "\r": "&#xD;",
};

function escaped(text: string): string {
  return text.replace(/[&<>"\r]/g, (character) => entities[character] as string);
}

interface Message {
  readonly xml: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The operation gives no answer but HTTP's. */
  readonly isOneWay: boolean;
}

/** The message for a call, which the library makes and does not send; or, as text, why there is none. */
async function messageOf(
  operation: string,
  parts: JsonObject,
  { packet, config, secret, wsdl }: { packet: Packet; config: Config; secret: Secret; wsdl: WSDL },
): Promise<Message | string> {
  const { Client, WSSecurity } = await library();
  let made: Omit<Message, "isOneWay"> | undefined;
  const catcher = {
    request(_url: string, xml: string, _answer: unknown, headers: Record<string, string>) {
      made = { xml, headers };
    },
  } as unknown as IHttpClient;
  const client = new Client(wsdl, config.endpoint, { ...optionsOf(config), httpClient: catcher });
  const known = operationsOf(client);
  const described = known.get(operation);
  if (!described) return `its WSDL has no operation ${operation}; it has ${[...known.keys()].sort().join(", ")}`;
  if (config.security !== "none") {
    const passwordType = config.security === "digest" ? "PasswordDigest" : "PasswordText";
    const token = { passwordType, hasNonce: true, hasTimeStamp: true, mustUnderstand: true };
    client.setSecurity(new WSSecurity(secret.username as string, secret.password as string, token));
  }
  if (config.addressing) client.addSoapHeader(addressing(packet, config));
  client[operation](parts, () => {});
  if (!made) throw new Error(`no message was made for ${operation}`);
  return { ...made, isOneWay: described.output === undefined || described.output === null };
}

/** The parts of the library that are used: its index would bring its server, and signatures. */
async function library() {
  const [client, security, wsdl] = await Promise.all([
    import("soap/lib/client.js"),
    import("soap/lib/security/WSSecurity.js"),
    import("soap/lib/wsdl/index.js"),
  ]);
  return { ...client.default, ...security.default, ...wsdl.default };
}

function optionsOf({ soap }: Config): IOptions {
  return { escapeXML: false, disableCache: true, ...(soap === "1.2" && { forceSoap12Headers: true }) };
}

function operationsOf(client: Client): Map<string, { readonly output?: unknown }> {
  const services = client.describe() as Record<string, Record<string, Record<string, { output?: unknown }>>>;
  return new Map(
    Object.values(services).flatMap((ports) =>
      Object.values(ports).flatMap((operations) => Object.entries(operations)),
    ),
  );
}

/** Source: W3C, "Web Services Addressing 1.0 - Core". */
function addressing({ id }: Packet, { endpoint }: Config) {
  return (_method: unknown, _location: unknown, action: string) =>
    Object.entries({ Action: action, To: endpoint, MessageID: `urn:hms-bridge:${id}` })
      .map(([name, value]) => `<${name} xmlns="http://www.w3.org/2005/08/addressing">${escaped(value)}</${name}>`)
      .join("");
}

/** WSDLs that were read, for as long as the process lives. */
const wsdls = new Map<string, Promise<WSDL>>();

interface Way {
  readonly http: Http;
  readonly tls?: Tls;
  readonly signal: AbortSignal;
}

function wsdlOf(config: Config, way: Way): Promise<WSDL> {
  const key = `${config.soap} ${config.wsdl}`;
  const known = wsdls.get(key);
  if (known) return known;
  const reading = readWsdl(config, way);
  wsdls.set(key, reading);
  reading.catch(() => wsdls.delete(key));
  return reading;
}

/** Else it is a file. */
function isAddress(wsdl: string): boolean {
  return /^https?:/i.test(wsdl);
}

/** A service has a handful of schemas. */
const mostDocuments = 50;

/**
 * Reads a WSDL with what it imports: only from the folder, or the part of the site, where it stands itself.
 *
 * @throws where that leads elsewhere, or is none
 */
async function readWsdl(config: Config, way: Way): Promise<WSDL> {
  const { open_wsdl } = await library();
  // The library reads what is no web address by itself, from anywhere: a file has an address here too, and we read it.
  const start = isAddress(config.wsdl)
    ? config.wsdl
    : new URL(encodeURIComponent(basename(config.wsdl)), "http://wsdl.invalid/").href;
  const place = new URL(".", start).href;
  const read = async (address: string): Promise<string> => {
    const text = isAddress(config.wsdl)
      ? await fetched(address, way)
      : await fromFolder(config.wsdl, address.slice(place.length));
    // Before the library does: it would take minutes for what is not well-formed.
    await readXml(text);
    return text;
  };
  let documents = 0;
  const httpClient = {
    request(address: string, _data: unknown, answer: (error: unknown, response?: object, body?: string) => void) {
      if (++documents > mostDocuments) return answer(new Error(`has more than ${mostDocuments} documents`));
      read(address).then((text) => answer(null, { status: 200 }, text), answer);
    },
  } as unknown as IHttpClient;
  const overrideImportLocation = (location: string) => {
    if (!location.startsWith(place)) throw new Error(`imports ${location}, which is not beside it`);
    return location;
  };
  const options = { ...optionsOf(config), httpClient, wsdl_options: { overrideImportLocation } };
  return new Promise((done, fail) => {
    open_wsdl(start, options, (error, wsdl) => (wsdl && !error ? done(wsdl) : fail(error)));
  });
}

async function fetched(url: string, { http, tls, signal }: Way): Promise<string> {
  const headers = { accept: "text/xml, application/wsdl+xml, application/xml" };
  const { status, body } = await http.request({ method: "GET", url, headers, ...(tls && { tls }), signal });
  if (status !== 200) throw new Error(`${url} answered ${status}`);
  return body;
}

async function fromFolder(wsdl: string, relative: string): Promise<string> {
  const folder = resolve(dirname(wsdl));
  // Behind an encoded slash the address's own way up is still there.
  const file = join(folder, decodeURIComponent(relative));
  if (!file.startsWith(`${folder}/`)) throw new Error(`imports ${relative}, which is not beside it`);
  return readFile(file, "utf8");
}

/** Codes that mean: the credentials. Source: OASIS, "Web Services Security: SOAP Message Security 1.1", 12. */
const credentials = new Set(["FailedAuthentication", "InvalidSecurity", "InvalidSecurityToken", "FailedCheck"]);

/** Codes that mean: the two do not speak the same SOAP. Source: SOAP 1.1, 4.4.1; SOAP 1.2, 5.4.6. */
const otherSoap = new Set(["VersionMismatch", "MustUnderstand", "DataEncodingUnknown"]);

/** How much of a fault is kept for the operator. */
const answerKept = 2_048;

async function judge(
  response: Awaited<ReturnType<Http["request"]>>,
  config: Config,
  isOneWay: boolean,
): Promise<Outcome> {
  const { status, headers, body } = response;
  const at = new URL(config.endpoint).pathname;
  const isFine = status >= 200 && status < 300;
  if (isFine && isOneWay && body === "") return delivered({ at, status });
  const type = String(headers["content-type"] ?? "").split(";")[0] as string;
  const isXml = /^(text|application)\/([\w.+-]+\+)?xml$/i.test(type.trim());
  if (!isXml) {
    if (!isFine) return outcomeOf(response, at);
    return retry(`answered ${status} with ${type || "no content type"} instead of XML`, { status });
  }
  const answer = await readAnswer(body);
  if (answer.kind === "fault") return faultOutcome(answer.codes, answer.text, status, config);
  if (!isFine) return outcomeOf(response, at);
  if (answer.kind === "unreadable") return retry(`answered ${status}, and the answer ${answer.why}`, { status });
  return delivered({ at, status });
}

/** @param codes the fault's code and its subcodes, from the general to the special, without prefixes */
function faultOutcome(codes: readonly string[], text: string, status: number, { faults }: Config): Outcome {
  const has = (list: { has(code: string): boolean }) => codes.some((code) => list.has(code));
  const reason = `answered with the fault ${codes.join("/").slice(0, 100) || "without a code"}`;
  if (has(new Set(faults.refused))) return refused(reason, { status, answer: text.slice(0, answerKept) });
  if (has(new Set(faults.retry))) return retry(reason, { status, mayHaveLanded: false });
  if (has(credentials) || status === 401) return retry(reason, { status, auth: true, mayHaveLanded: false });
  if (has(otherSoap)) return retry(reason, { status, code: "setup", mayHaveLanded: false });
  if (codes[0] === "Client" || codes[0] === "Sender") {
    return refused(reason, { status, answer: text.slice(0, answerKept) });
  }
  // The service failed, or has a code of its own: it may have done the work all the same.
  return retry(reason, { status });
}
