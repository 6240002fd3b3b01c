import { readFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import type { Client } from "soap/lib/client.js";
import type { IHttpClient, IOptions } from "soap/lib/types.js";
import type { WSDL } from "soap/lib/wsdl/index.js";
import * as z from "zod";
import {
  type Connector,
  type Context,
  defineConnector,
  type Http,
  type HttpRequest,
  type HttpResponse,
  type Tls,
} from "../../../bridge/model/connector.ts";
import { delivered, type Outcome, refused, retry } from "../../../bridge/model/outcome.ts";
import type { Packet } from "../../../bridge/model/packet.ts";
import { nest } from "../../../bridge/values/field-path.ts";
import type { Json, JsonObject } from "../../../bridge/values/json.ts";
import { HttpError, maxAnswerLength, outcomeOf } from "../http/client.ts";
import { parseResponse, parseXml } from "./response.ts";

const partName = z
  .string()
  .regex(/^[A-Za-z_][\w-]*(\.[A-Za-z_][\w-]*)*$/, "is not a path of element names such as schedule.teleworkHours");

const configSchema = z.strictObject({
  endpoint: z.url().describe("The service's endpoint. The address in the WSDL is ignored."),
  wsdl: z.string().min(1).describe("The service's WSDL: a file, or an https: URL."),
  operation: z.string().min(1).describe("The operation that is called for a change."),
  deleteOperation: z.string().min(1).optional().describe("The operation that is called for a deletion."),
  parts: z
    .record(partName, z.string().min(1))
    .describe(
      "The field of each part of the request, in the order that the service expects. $entity is the record's key, " +
        "$packet the packet's id, $action upsert or delete. A packet with a field that is in no part is refused.",
    ),
  soap: z.enum(["1.1", "1.2"]).default("1.1").describe("The SOAP version."),
  security: z
    .enum(["digest", "text", "none"])
    .default("digest")
    .describe("The form of the password in WS-Security's username token."),
  addressing: z.boolean().default(false).describe("Send WS-Addressing headers. MessageID contains the packet's id."),
  faults: z
    .strictObject({
      refused: z.array(z.string()).default([]).describe("Codes of a permanent refusal. The packet is held."),
      retry: z.array(z.string()).default([]).describe("Codes of a call that had no effect. It is made again."),
    })
    .prefault({})
    .describe("The meaning of the service's own fault codes and subcodes, without their prefix."),
  probe: z.url().optional().describe("The URL that the probe requests. Default: the endpoint with ?wsdl."),
});

type Config = z.output<typeof configSchema>;

const secretSchema = z
  .strictObject({
    username: z.string().min(1).optional(),
    password: z.string().min(1).optional(),
    /** Client certificate, its key, and a certificate authority to trust, in PEM. */
    cert: z.string().optional(),
    key: z.string().optional(),
    ca: z.string().optional(),
  })
  .default({});

type Secret = z.output<typeof secretSchema>;

/** Argument of `soapConnector`. */
export interface SoapDeclaration {
  readonly name: string;
  /**
   * True if a repeated call has no second effect, because the operation sets values or recognizes message ids; SOAP
   * itself does not define this. Otherwise a packet whose call got no response is held.
   */
  readonly idempotent: boolean;
}

/** Creates a connector to one operation of a SOAP service, described by its WSDL. */
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
    needs: ({ wsdl }) => (isUrl(wsdl) ? { puts: [] } : { issue: "wsdl is a local file; on AWS, give an https: URL" }),
    send,
    probe: ({ config, http, signal }) => http.isAwake(config.probe ?? `${config.endpoint}?wsdl`, signal),
  });
}

async function send(packet: Packet, context: Context<Config, Secret>): Promise<Outcome> {
  const { config, secret, http, signal } = context;
  const operation = packet.action === "delete" ? config.deleteOperation : config.operation;
  if (operation === undefined) return refused("no deleteOperation is configured");
  const parts = partsOf(packet, config);
  if ("issue" in parts) return refused(parts.issue);
  if (config.security !== "none" && !(secret.username && secret.password)) {
    return retry("its secret has no username and password for WS-Security", { code: "setup", mayHaveLanded: false });
  }
  const tls = tlsOf(secret);
  let wsdl: WSDL;
  try {
    wsdl = await loadWsdl(config, { http, ...(tls && { tls }), signal });
  } catch (error) {
    return retry(`its WSDL cannot be used: ${(error as Error).message}`, { code: "setup", mayHaveLanded: false });
  }
  const message = await buildMessage(operation, parts.request, { packet, config, secret, wsdl });
  if ("issue" in message) return retry(message.issue, { code: "setup", mayHaveLanded: false });
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
    return await outcomeOfCall(response, config, message.isOneWay);
  } catch (error) {
    if (!(error instanceof HttpError)) throw error;
    return retry(error.message, { code: "no-answer", mayHaveLanded: error.mayHaveLanded });
  }
}

function tlsOf({ cert, key, ca }: Secret): Tls | undefined {
  return cert === undefined && ca === undefined ? undefined : { cert, key, ca };
}

/** Returns the parts of the request in configuration order, or the reason why the packet cannot be sent. */
function partsOf(packet: Packet, { parts }: Config): { readonly request: JsonObject } | { readonly issue: string } {
  const attributes: JsonObject = { $entity: packet.entity, $packet: packet.id, $action: packet.action };
  const fields = packet.action === "delete" ? {} : packet.fields;
  const sources = new Set(Object.values(parts));
  const unmapped = Object.keys(fields).find((field) => !sources.has(field));
  if (unmapped !== undefined) {
    return { issue: `the field ${unmapped} is in no part of the request; add it to parts` };
  }
  const request: JsonObject = {};
  for (const [part, source] of Object.entries(parts)) {
    const values = source.startsWith("$") ? attributes : fields;
    if (!Object.hasOwn(values, source)) continue;
    const text = xmlText(values[source] as Json);
    if (text === undefined) {
      return { issue: `${source}, for ${part}, is not a text, a number or a list of them that XML can represent` };
    }
    request[part] = text;
  }
  return { request: nest(request) };
}

/**
 * Converts a value to XML text, or returns undefined if XML cannot represent it.
 *
 * The text is escaped here because the library passes anything that looks like a CDATA section unescaped. Objects are
 * not converted because the library treats some of their keys as raw XML or attributes.
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
  /** True if the operation has no response message, only an HTTP status. */
  readonly isOneWay: boolean;
}

/** Builds the message of a call without sending it. Returns an issue if the WSDL does not have the operation. */
async function buildMessage(
  operation: string,
  parts: JsonObject,
  { packet, config, secret, wsdl }: { packet: Packet; config: Config; secret: Secret; wsdl: WSDL },
): Promise<Message | { readonly issue: string }> {
  const { Client, WSSecurity } = await loadLibrary();
  let built: Omit<Message, "isOneWay"> | undefined;
  // The library builds a message only to send it. This client captures the message instead.
  const capturingClient = {
    request(_url: string, xml: string, _callback: unknown, headers: Record<string, string>) {
      built = { xml, headers };
    },
  } as unknown as IHttpClient;
  const client = new Client(wsdl, config.endpoint, { ...optionsOf(config), httpClient: capturingClient });
  const operations = operationsOf(client);
  const description = operations.get(operation);
  if (!description) {
    const names = [...operations.keys()].sort().join(", ");
    return { issue: `its WSDL has no operation ${operation}; it has ${names}` };
  }
  if (config.security !== "none") {
    const passwordType = config.security === "digest" ? "PasswordDigest" : "PasswordText";
    const token = { passwordType, hasNonce: true, hasTimeStamp: true, mustUnderstand: true };
    client.setSecurity(new WSSecurity(secret.username as string, secret.password as string, token));
  }
  if (config.addressing) client.addSoapHeader(addressingHeaders(packet, config));
  client[operation](parts, () => {});
  if (!built) throw new Error(`the SOAP library built no message for ${operation}`);
  return { ...built, isOneWay: description.output === undefined || description.output === null };
}

/** Loads the modules needed from the SOAP library. Its index would also load its server and XML signatures. */
async function loadLibrary() {
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

/** Returns the WS-Addressing headers. Source: W3C, "Web Services Addressing 1.0 - Core". */
function addressingHeaders({ id }: Packet, { endpoint }: Config) {
  return (_method: unknown, _location: unknown, action: string) =>
    Object.entries({ Action: action, To: endpoint, MessageID: `urn:hms-bridge:${id}` })
      .map(([name, value]) => `<${name} xmlns="http://www.w3.org/2005/08/addressing">${escaped(value)}</${name}>`)
      .join("");
}

/** Parsed WSDLs, kept for the lifetime of the process. */
const wsdls = new Map<string, Promise<WSDL>>();

type RequestContext = Pick<HttpRequest, "tls"> & { readonly http: Http; readonly signal: AbortSignal };

function loadWsdl(config: Config, context: RequestContext): Promise<WSDL> {
  const key = `${config.soap} ${config.wsdl}`;
  const cached = wsdls.get(key);
  if (cached) return cached;
  const reading = readWsdl(config, context);
  wsdls.set(key, reading);
  reading.catch(() => wsdls.delete(key));
  return reading;
}

/** Returns true if a WSDL is configured as a URL, and false if it is a file. */
function isUrl(wsdl: string): boolean {
  return /^https?:/i.test(wsdl);
}

/** Maximum number of documents that a WSDL consists of. Real services have a handful. */
const maxDocuments = 50;

/**
 * Reads a WSDL and its imports, which must be in the WSDL's own folder or URL path, or below.
 *
 * @throws {Error} if a document cannot be read, is not a WSDL, or imports from elsewhere
 */
async function readWsdl(config: Config, context: RequestContext): Promise<WSDL> {
  const { open_wsdl } = await loadLibrary();
  // The library itself would read a file path, from any folder. A file gets a placeholder URL, so it is read here.
  const start = isUrl(config.wsdl)
    ? config.wsdl
    : new URL(encodeURIComponent(basename(config.wsdl)), "http://wsdl.invalid/").href;
  const base = new URL(".", start).href;
  const read = async (url: string): Promise<string> => {
    const text = isUrl(config.wsdl)
      ? await fetchDocument(url, context)
      : await readDocument(config.wsdl, url.slice(base.length));
    // Checked before the library parses it, because the library can take minutes for malformed XML.
    await parseXml(text);
    return text;
  };
  let documents = 0;
  const httpClient = {
    request(url: string, _data: unknown, callback: (error: unknown, response?: object, body?: string) => void) {
      if (++documents > maxDocuments) return callback(new Error(`has more than ${maxDocuments} documents`));
      read(url).then((text) => callback(null, { status: 200 }, text), callback);
    },
  } as unknown as IHttpClient;
  const overrideImportLocation = (location: string) => {
    if (!location.startsWith(base)) throw new Error(`imports ${location}, which is not beside it`);
    return location;
  };
  const options = { ...optionsOf(config), httpClient, wsdl_options: { overrideImportLocation } };
  return new Promise((resolve, reject) => {
    open_wsdl(start, options, (error, wsdl) => (wsdl && !error ? resolve(wsdl) : reject(error)));
  });
}

async function fetchDocument(url: string, { http, tls, signal }: RequestContext): Promise<string> {
  const headers = { accept: "text/xml, application/wsdl+xml, application/xml" };
  const { status, body } = await http.request({ method: "GET", url, headers, ...(tls && { tls }), signal });
  if (status !== 200) throw new Error(`${url} answered ${status}`);
  return body;
}

async function readDocument(wsdl: string, relative: string): Promise<string> {
  const folder = resolve(dirname(wsdl));
  // Decoding can reveal `../` after an encoded slash, so the resulting path is checked.
  const file = join(folder, decodeURIComponent(relative));
  if (!file.startsWith(`${folder}/`)) throw new Error(`imports ${relative}, which is not beside it`);
  return readFile(file, "utf8");
}

/** Fault codes for rejected credentials. Source: OASIS, "Web Services Security: SOAP Message Security 1.1", 12. */
const credentialCodes = new Set(["FailedAuthentication", "InvalidSecurity", "InvalidSecurityToken", "FailedCheck"]);

/** Fault codes for incompatible SOAP versions or headers. Source: SOAP 1.1, 4.4.1; SOAP 1.2, 5.4.6. */
const incompatibilityCodes = new Set(["VersionMismatch", "MustUnderstand", "DataEncodingUnknown"]);

async function outcomeOfCall(response: HttpResponse, config: Config, isOneWay: boolean): Promise<Outcome> {
  const { status, headers, body } = response;
  const at = new URL(config.endpoint).pathname;
  const isSuccess = status >= 200 && status < 300;
  if (isSuccess && isOneWay && body === "") return delivered({ at, status });
  const type = String(headers["content-type"] ?? "").split(";")[0] as string;
  const isXml = /^(text|application)\/([\w.+-]+\+)?xml$/i.test(type.trim());
  if (!isXml) {
    if (!isSuccess) return outcomeOf(response, at);
    return retry(`answered ${status} with ${type || "no content type"} instead of XML`, { status });
  }
  const parsed = await parseResponse(body);
  if (parsed.kind === "fault") return outcomeOfFault(parsed.codes, parsed.text, status, config);
  if (!isSuccess) return outcomeOf(response, at);
  if (parsed.kind === "unreadable") return retry(`answered ${status}, and the body ${parsed.reason}`, { status });
  return delivered({ at, status });
}

/**
 * Converts a SOAP fault to an outcome.
 *
 * @param codes the fault's code and subcodes without prefixes, from the general to the specific
 * @param text the service's own text, which only the operator sees
 */
function outcomeOfFault(codes: readonly string[], text: string, status: number, { faults }: Config): Outcome {
  const has = (list: { has(code: string): boolean }) => codes.some((code) => list.has(code));
  const reason = `answered with the fault ${codes.join("/").slice(0, 100) || "without a code"}`;
  const answer = text.slice(0, maxAnswerLength);
  if (has(new Set(faults.refused))) return refused(reason, { status, answer });
  if (has(new Set(faults.retry))) return retry(reason, { status, mayHaveLanded: false });
  if (has(credentialCodes) || status === 401) return retry(reason, { status, auth: true, mayHaveLanded: false });
  if (has(incompatibilityCodes)) return retry(reason, { status, code: "setup", mayHaveLanded: false });
  if (codes[0] === "Client" || codes[0] === "Sender") return refused(reason, { status, answer });
  // Any other fault may come after the service has done the work.
  return retry(reason, { status });
}
