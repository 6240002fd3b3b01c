import * as z from "zod";
import {
  type Connector,
  type Context,
  defineConnector,
  type Http,
  type HttpRequest,
  type HttpResponse,
} from "../../../bridge/model/connector.ts";
import { delivered, type Outcome, refused, retry } from "../../../bridge/model/outcome.ts";
import type { Packet } from "../../../bridge/model/packet.ts";
import { nest, pathIssue } from "../../../bridge/values/field-path.ts";
import type { Json, JsonObject } from "../../../bridge/values/json.ts";
import { joinUrl, maxAnswerLength, outcomeOfError, outcomeOfExchange, retryAfterOf } from "../http/client.ts";
import { authorize, clientAuthSchema, clientSecretSchema, tlsOf } from "../http/oauth2.ts";

/** Matches `{entity}` and `{address.zip}`. */
const placeholder = /\{([^{}]+)\}/g;

const pathSchema = z
  .string("is missing; set a path such as /people/{entity}")
  .regex(/^\/[^\s#%]*$/, "is not a path such as /people/{entity}")
  .refine((text) => !/[{}]/.test(text.replace(placeholder, "")), "has an unmatched brace")
  .describe(
    "Path below baseUrl. {entity} is the record's key and {field} a field of the packet; both are URL-encoded.",
  );

const headerName = z.string().regex(/^[A-Za-z0-9-]{1,64}$/, "is not a header name");

const invalidStatus = 'is not a status such as 409 or "500-599"';

const status = z
  .union(
    [z.int(invalidStatus).min(200, invalidStatus).max(599, invalidStatus), z.string().regex(/^[2-5]\d\d-[2-5]\d\d$/)],
    invalidStatus,
  )
  .describe("A status, or a range of statuses.");

const statuses = z.array(status).default([]);

const dottedPath = z.string().check((check) => {
  const issue = pathIssue(check.value);
  if (issue) check.issues.push({ code: "custom", message: issue, input: check.value });
});

const sendSchema = z.strictObject(
  {
    method: z.enum(["POST", "PUT", "PATCH"], "must be POST, PUT or PATCH"),
    path: pathSchema,
    body: z
      .strictObject({
        shape: z
          .enum(["nested", "flat"], 'must be "nested" or "flat"')
          .default("nested")
          .describe('Form of a field such as "address.zip". nested: an object in an object. flat: a name with a dot.'),
        under: dottedPath.optional().describe("The name of the object that contains the fields."),
        entity: dottedPath.optional().describe("The name of the field that contains the record's key."),
      })
      .prefault({}),
  },
  "is missing; set the method and path that send a change",
);

const authSchema = z.union(
  [
    z.enum(["none", "bearer", "basic"]),
    z.strictObject({ header: headerName }),
    z.strictObject({
      oauth2: z.strictObject({
        tokenUrl: z.url(),
        scope: z.string().min(1).optional(),
        clientAuth: clientAuthSchema,
      }),
    }),
  ],
  'must be "none", "bearer", "basic", { header: X-Api-Key } or { oauth2: { tokenUrl: … } }',
);

/** Content of a `.yaml` file in `connectors/` that declares a REST target. */
export const declarationSchema = z.strictObject({
  name: z
    .string("is missing; set the name that sheets use, such as BadgeOffice")
    .regex(/^[A-Z][A-Za-z0-9]{1,47}$/, "is not a name such as BadgeOffice"),
  version: z
    .string()
    .regex(/^v\d{1,4}$/, "is not a version such as v1")
    .default("v1"),
  baseUrl: z
    .url("is not a URL such as https://badges.gov/api")
    .describe("The base URL of the API. The connector's configuration can override it."),
  order: z
    .enum(["latest", "strict"], 'must be "latest" or "strict"')
    .default("latest")
    .describe("latest: newer values win. strict: every packet is sent, in order."),
  lane: z
    .enum(["entity", "connector"], 'must be "entity" or "connector"')
    .optional()
    .describe("connector: order is kept across all records."),
  late: z
    .enum(["hold", "send"], 'must be "hold" or "send"')
    .optional()
    .describe("With strict order, what happens to a packet that arrives after a newer one was sent. Default: hold."),
  idempotent: z
    .boolean("is missing; set true if sending the same packet twice has no second effect, otherwise false")
    .describe("true: sending a packet twice has no second effect. false: a packet that may have landed is held."),
  keyHeader: headerName
    .default("Idempotency-Key")
    .describe("The header with the packet's id, which is the same in every attempt."),
  send: sendSchema,
  delete: z
    .strictObject({ method: z.enum(["DELETE", "POST"], "must be DELETE or POST").default("DELETE"), path: pathSchema })
    .optional()
    .describe("The request that deletes a record. Without it, a sheet with action: delete is invalid."),
  headers: z
    .record(
      headerName.refine(
        (name) => name.toLowerCase() !== "authorization",
        'belongs under "auth:", with its value in the secret',
      ),
      z.string().regex(/^[\x20-\x7e]*$/, "is not a header value: only printable ASCII is allowed"),
    )
    .default({}),
  auth: authSchema.default("none").describe("The authentication method. The credentials are in the secret."),
  certificate: z
    .boolean()
    .default(false)
    .describe("true: the target requires a client certificate; cert and key are in the secret."),
  answers: z
    .strictObject({ delivered: statuses, retry: statuses, refused: statuses })
    .prefault({})
    .describe(
      "Statuses with another outcome than usual. Usual: 2xx delivered; 408, 425, 429 and 5xx retry; 401 and 403 retry once with a fresh secret; other 4xx refused.",
    ),
  probe: pathSchema
    .default("/")
    .describe("The path that a probe sends a GET to. The target is up if the status is below 500."),
  rate: z
    .strictObject({
      concurrency: z.int().min(1).max(100).default(10).describe("Concurrent requests."),
      perSecond: z.number().positive().optional(),
    })
    .prefault({}),
});

export type Declaration = z.output<typeof declarationSchema>;

/** A declaration as written in the file, without defaults. */
export type DeclarationInput = z.input<typeof declarationSchema>;

interface Config {
  readonly baseUrl: string;
  readonly tokenUrl?: string | undefined;
}

/** Credentials. Which of them are present depends on `auth` and `certificate`. */
type Secret = Readonly<
  Partial<
    Record<"token" | "username" | "password" | "value" | "clientId" | "clientSecret" | "cert" | "key" | "ca", string>
  >
>;

/**
 * Creates the connector for a declaration.
 *
 * @throws {ZodError} if the declaration is invalid; `readDeclaration` reports the issues of a file line by line
 */
export function declaredConnector(input: DeclarationInput): Connector<Config, Secret> {
  const declaration = declarationSchema.parse(input);
  const { name, version, order, lane, late, idempotent, rate } = declaration;
  const secretSchema = secretSchemaOf(declaration);
  return defineConnector<Config, Secret>({
    name,
    version,
    order,
    idempotent,
    ...(lane && { lane }),
    ...(late && { late }),
    ...(declaration.delete && { deletes: true }),
    config: configSchemaOf(declaration),
    ...(secretSchema && { secret: secretSchema }),
    rate: { concurrency: rate.concurrency, ...(rate.perSecond !== undefined && { perSecond: rate.perSecond }) },
    send: (packet, context) => send(declaration, packet, context),
    probe({ config, secret = {}, http, signal }) {
      return http.isAwake(
        urlOf(config.baseUrl, declaration.probe, () => ""),
        signal,
        tlsOf(secret),
      );
    },
  });
}

async function send(declaration: Declaration, packet: Packet, context: Context<Config, Secret>): Promise<Outcome> {
  const { config, secret = {}, http, signal } = context;
  const request = requestOf(declaration, packet, config.baseUrl);
  if ("outcome" in request) return request.outcome;
  const sendWith = (authorization: Readonly<Record<string, string>>) =>
    call(declaration, http, {
      ...request,
      headers: { ...request.headers, ...authorization },
      tls: tlsOf(secret),
      signal,
    });
  const oauth2 = oauth2Of(declaration);
  if (!oauth2) return sendWith(authHeaders(declaration, secret));
  const { clientId = "", clientSecret = "" } = secret;
  const server = { ...oauth2, tokenUrl: config.tokenUrl ?? oauth2.tokenUrl };
  const access = await authorize(http, server, { ...secret, clientId, clientSecret }, signal);
  if ("outcome" in access) return access.outcome;
  return access.dropIfRefused(await sendWith(access.headers));
}

function configSchemaOf(declaration: Declaration): z.ZodType<Config> {
  const baseUrl = z.url().default(declaration.baseUrl).describe("The base URL of the API.");
  const oauth2 = oauth2Of(declaration);
  if (!oauth2) return z.strictObject({ baseUrl });
  return z.strictObject({
    baseUrl,
    tokenUrl: z.url().default(oauth2.tokenUrl).describe("The URL that issues access tokens."),
  });
}

function oauth2Of({ auth }: Declaration) {
  return typeof auth === "object" && "oauth2" in auth ? auth.oauth2 : undefined;
}

const credential = z.string().min(1);

function secretSchemaOf({ auth, certificate }: Declaration): z.ZodType<Secret> | undefined {
  const { cert, key, ca, clientId, clientSecret } = clientSecretSchema.shape;
  const credentials =
    auth === "none"
      ? {}
      : auth === "bearer"
        ? { token: credential }
        : auth === "basic"
          ? { username: credential, password: credential }
          : "header" in auth
            ? { value: credential }
            : { clientId, clientSecret };
  const shape = { ...credentials, ...(certificate && { cert: cert.unwrap(), key: key.unwrap(), ca }) };
  return Object.keys(shape).length === 0 ? undefined : (z.strictObject(shape) as z.ZodType<Secret>);
}

/** Returns the authentication headers for every method except `oauth2`, which needs a token first. */
function authHeaders({ auth }: Declaration, { token, username, password, value }: Secret): Record<string, string> {
  if (auth === "bearer") return { authorization: `Bearer ${token}` };
  if (auth === "basic") {
    return { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}` };
  }
  return typeof auth === "object" && "header" in auth ? { [auth.header.toLowerCase()]: value ?? "" } : {};
}

/** A request that `call` can send. */
type PreparedRequest = Pick<HttpRequest, "method" | "url" | "json"> & {
  readonly headers: Readonly<Record<string, string>>;
};

/** Builds the request for a packet. Returns an outcome if the packet lacks a field that the path needs. */
function requestOf(
  declaration: Declaration,
  packet: Packet,
  baseUrl: string,
): PreparedRequest | { readonly outcome: Outcome } {
  const isDeletion = packet.action === "delete";
  const { method, path } = isDeletion && declaration.delete ? declaration.delete : declaration.send;
  const missing: string[] = [];
  const url = urlOf(baseUrl, path, (name) => {
    const value = name === "entity" ? packet.entity : packet.fields[name];
    if (["string", "number", "boolean"].includes(typeof value)) return String(value);
    missing.push(name);
    return "";
  });
  if (missing.length > 0) {
    const names = missing.join(", ");
    return {
      outcome: refused(`its URL needs ${names}, which the packet lacks; map it and set send: full in the sheet`),
    };
  }
  const declared = Object.entries(declaration.headers).map(([name, value]) => [name.toLowerCase(), value]);
  const headers = { ...Object.fromEntries(declared), [declaration.keyHeader.toLowerCase()]: packet.id };
  return {
    method,
    url,
    headers,
    ...(method !== "DELETE" && { json: bodyOf(declaration.send.body, packet) }),
  };
}

/**
 * Builds a URL below a base URL. Values are encoded, so they cannot add a path segment or a query parameter.
 *
 * @param valueFor returns the value for a placeholder
 */
function urlOf(baseUrl: string, template: string, valueFor: (name: string) => string): string {
  const [path = "", query] = template.split("?", 2);
  const segments = path.slice(1).split("/");
  const filled = segments.map((segment) => segment.replace(placeholder, (_, name: string) => valueFor(name)));
  const filledQuery = query?.replace(placeholder, (_, name: string) => encodeURIComponent(valueFor(name)));
  return joinUrl(baseUrl, ...filled) + (filledQuery === undefined ? "" : `?${filledQuery}`);
}

function bodyOf({ shape, under, entity }: Declaration["send"]["body"], packet: Packet): Json {
  const key: JsonObject = entity === undefined ? {} : { [entity]: packet.entity };
  if (shape === "nested") {
    const fields = Object.entries(packet.fields).map(([name, value]) => [under ? `${under}.${name}` : name, value]);
    return nest({ ...Object.fromEntries(fields), ...key });
  }
  return under ? nest({ [under]: { ...packet.fields }, ...key }) : { ...packet.fields, ...nest(key) };
}

/** Sends a request. A declared status decides the outcome; every other status has its usual one. */
async function call({ answers }: Declaration, http: Http, request: HttpRequest): Promise<Outcome> {
  let response: HttpResponse;
  try {
    response = await http.request(request);
  } catch (error) {
    return outcomeOfError(error);
  }
  const { status } = response;
  const at = new URL(request.url).pathname;
  const usual = outcomeOfExchange(request, response, at);
  if (includes(answers.delivered, status)) return delivered({ at, status });
  if (includes(answers.retry, status)) {
    const afterMs = retryAfterOf(response);
    return retry(`answered ${status}`, { status, ...(afterMs !== undefined && { afterMs }) });
  }
  if (!includes(answers.refused, status) || usual.kind === "refused") return usual;
  return refused(`answered ${status}`, { status, answer: response.body.slice(0, maxAnswerLength) });
}

function includes(statuses: readonly (number | string)[], status: number): boolean {
  return statuses.some((each) => {
    if (typeof each === "number") return each === status;
    const [from, to] = each.split("-").map(Number);
    return status >= (from as number) && status <= (to as number);
  });
}
