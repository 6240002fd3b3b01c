import * as z from "zod";
import {
  type Connector,
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

/** `{entity}`, or `{address.zip}`. */
const placeholder = /\{([^{}]+)\}/g;

const path = z
  .string("is missing; give a path such as /people/{entity}")
  .regex(/^\/[^\s#%]*$/, "is not a path such as /people/{entity}")
  .refine((text) => !/[{}]/.test(text.replace(placeholder, "")), "has a brace that opens or closes nothing")
  .describe("Below baseUrl. {entity} is the record's key, {field} a field of the packet; values are encoded.");

const headerName = z.string().regex(/^[A-Za-z0-9-]{1,64}$/, "is not a header's name");

const noStatus = 'is not a status such as 409, or "500-599"';

const status = z
  .union([z.int(noStatus).min(200, noStatus).max(599, noStatus), z.string().regex(/^[2-5]\d\d-[2-5]\d\d$/)], noStatus)
  .describe("A status, or a range of them.");

const statuses = z.array(status).default([]);

const dottedPath = z.string().check((check) => {
  const fault = pathIssue(check.value);
  if (fault) check.issues.push({ code: "custom", message: fault, input: check.value });
});

/** What a file in `connectors/` says that declares a REST target. */
export const declarationSchema = z.strictObject({
  name: z
    .string("is missing; name it as sheets will: BadgeOffice")
    .regex(/^[A-Z][A-Za-z0-9]{1,47}$/, "is not a name such as BadgeOffice"),
  version: z
    .string()
    .regex(/^v\d{1,4}$/, "is not a version such as v1")
    .default("v1"),
  baseUrl: z
    .url("is not an address such as https://badges.gov/api")
    .describe("Where the API begins; its configuration may say another."),
  order: z
    .enum(["latest", "strict"], 'is neither "latest" nor "strict"')
    .default("latest")
    .describe("latest: newer values win. strict: every packet, in order."),
  lane: z
    .enum(["entity", "connector"], 'is neither "entity" nor "connector"')
    .optional()
    .describe("connector: order matters over all records."),
  idempotent: z
    .boolean("is missing; say true where the target takes the same packet twice without a second effect, else false")
    .describe("Whether a repeat has no second effect. If not, a doubtful try is held for a person."),
  keyHeader: headerName
    .default("Idempotency-Key")
    .describe("The header that carries the packet's id, the same at every try."),
  send: z.strictObject(
    {
      method: z.enum(["POST", "PUT", "PATCH"], "is none of POST, PUT, PATCH"),
      path,
      body: z
        .strictObject({
          shape: z
            .enum(["nested", "flat"], 'is neither "nested" nor "flat"')
            .default("nested")
            .describe('What "address.zip" becomes: an object in an object, or a name with a dot.'),
          under: dottedPath.optional().describe("The name the fields are put under."),
          entity: dottedPath.optional().describe("The name that gets the record's key."),
        })
        .prefault({}),
    },
    "is missing; say how a change is sent",
  ),
  delete: z
    .strictObject({ method: z.enum(["DELETE", "POST"], "is neither DELETE nor POST").default("DELETE"), path })
    .optional()
    .describe("How a record is deleted. Without it, a sheet that says action: delete is faulty."),
  headers: z
    .record(
      headerName.refine(
        (name) => name.toLowerCase() !== "authorization",
        'belongs into "auth:", and its value into the secret',
      ),
      z.string().regex(/^[\x20-\x7e]*$/, "is not a header's text"),
    )
    .default({}),
  auth: z
    .union(
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
      'is none of "none", "bearer", "basic", { header: X-Api-Key }, { oauth2: { tokenUrl: … } }',
    )
    .default("none")
    .describe("How we say who we are; the words for it stand in the secret."),
  certificate: z
    .boolean()
    .default(false)
    .describe("Whether the target asks for a certificate: cert and key in the secret."),
  answers: z
    .strictObject({ delivered: statuses, retry: statuses, refused: statuses })
    .prefault({})
    .describe(
      "Statuses that mean something else than usual. Usual: 2xx delivered, 408, 425, 429 and 5xx retry, 401 and 403 once more with a fresh secret, other 4xx refused.",
    ),
  probe: path.default("/").describe("A GET to it that is answered below 500 says that the target is awake."),
  rate: z
    .strictObject({
      concurrency: z.int().min(1).max(100).default(10).describe("Calls at once."),
      perSecond: z.number().positive().optional(),
    })
    .prefault({}),
});

export type Declaration = z.output<typeof declarationSchema>;

/** As the file says it: defaults may be left out. */
export type DeclarationInput = z.input<typeof declarationSchema>;

interface Config {
  readonly baseUrl: string;
  readonly tokenUrl?: string | undefined;
}

/** What of it there is follows from `auth` and `certificate`. */
type Secret = Readonly<
  Partial<
    Record<"token" | "username" | "password" | "value" | "clientId" | "clientSecret" | "cert" | "key" | "ca", string>
  >
>;

/** The connector a declaration describes. @throws where it is none; who reads it from a file has checked it before */
export function declaredConnector(given: DeclarationInput): Connector<Config, Secret> {
  const declaration = declarationSchema.parse(given);
  const { name, version, order, lane, idempotent, rate } = declaration;
  const oauth2 = oauth2Of(declaration);
  const secret = secretSchemaOf(declaration);
  return defineConnector<Config, Secret>({
    name,
    version,
    order,
    idempotent,
    ...(lane && { lane }),
    ...(declaration.delete && { deletes: true }),
    config: configSchemaOf(declaration),
    ...(secret && { secret }),
    rate: { concurrency: rate.concurrency, ...(rate.perSecond !== undefined && { perSecond: rate.perSecond }) },

    async send(packet, { config, secret: shown = {}, http, signal }) {
      const request = requestOf(declaration, packet, config.baseUrl);
      if ("outcome" in request) return request.outcome;
      const common = { ...request, tls: tlsOf(shown), signal };
      if (!oauth2) {
        return call(declaration, http, {
          ...common,
          headers: { ...request.headers, ...credentials(declaration, shown) },
        });
      }
      const { clientId = "", clientSecret = "" } = shown;
      const server = { ...oauth2, tokenUrl: config.tokenUrl ?? oauth2.tokenUrl };
      const access = await authorize(http, server, { ...shown, clientId, clientSecret }, signal);
      if ("outcome" in access) return access.outcome;
      return access.dropIfRefused(
        await call(declaration, http, { ...common, headers: { ...request.headers, ...access.headers } }),
      );
    },

    probe({ config, secret: shown = {}, http, signal }) {
      return http.isAwake(
        urlOf(config.baseUrl, declaration.probe, () => ""),
        signal,
        tlsOf(shown),
      );
    },
  });
}

function configSchemaOf(declaration: Declaration): z.ZodType<Config> {
  const baseUrl = z.url().default(declaration.baseUrl).describe("Where the API begins.");
  const oauth2 = oauth2Of(declaration);
  if (!oauth2) return z.strictObject({ baseUrl });
  return z.strictObject({
    baseUrl,
    tokenUrl: z.url().default(oauth2.tokenUrl).describe("Where it gives out access tokens."),
  });
}

function oauth2Of({ auth }: Declaration) {
  return typeof auth === "object" && "oauth2" in auth ? auth.oauth2 : undefined;
}

const word = z.string().min(1);

function secretSchemaOf({ auth, certificate }: Declaration): z.ZodType<Secret> | undefined {
  const { cert, key, ca, clientId, clientSecret } = clientSecretSchema.shape;
  const words =
    auth === "none"
      ? {}
      : auth === "bearer"
        ? { token: word }
        : auth === "basic"
          ? { username: word, password: word }
          : "header" in auth
            ? { value: word }
            : { clientId, clientSecret };
  const shape = { ...words, ...(certificate && { cert: cert.unwrap(), key: key.unwrap(), ca }) };
  return Object.keys(shape).length === 0 ? undefined : (z.strictObject(shape) as z.ZodType<Secret>);
}

/** The headers that say who we are, where no token has to be asked for first. */
function credentials({ auth }: Declaration, { token, username, password, value }: Secret): Record<string, string> {
  if (auth === "bearer") return { authorization: `Bearer ${token}` };
  if (auth === "basic") {
    return { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}` };
  }
  return typeof auth === "object" && "header" in auth ? { [auth.header.toLowerCase()]: value ?? "" } : {};
}

type Made = Pick<HttpRequest, "method" | "url" | "json"> & { readonly headers: Readonly<Record<string, string>> };

function requestOf(declaration: Declaration, packet: Packet, baseUrl: string): Made | { readonly outcome: Outcome } {
  const deletes = packet.action === "delete";
  const how = deletes && declaration.delete ? declaration.delete : declaration.send;
  const missing: string[] = [];
  const url = urlOf(baseUrl, how.path, (name) => {
    const value = name === "entity" ? packet.entity : packet.fields[name];
    if (["string", "number", "boolean"].includes(typeof value)) return String(value);
    missing.push(name);
    return "";
  });
  if (missing.length > 0) {
    const reason = `its address needs ${missing.join(", ")}, which the packet has not; let the sheet send them always`;
    return { outcome: refused(reason) };
  }
  const own = Object.entries(declaration.headers).map(([name, value]) => [name.toLowerCase(), value]);
  const headers = { ...Object.fromEntries(own), [declaration.keyHeader.toLowerCase()]: packet.id };
  return {
    method: how.method,
    url,
    headers,
    ...(how.method !== "DELETE" && { json: bodyOf(declaration.send.body, packet) }),
  };
}

/** An address below a base; a value in it cannot leave its place. */
function urlOf(base: string, path: string, fill: (name: string) => string): string {
  const [before = "", query] = path.split("?", 2);
  const parts = before.slice(1).split("/");
  const filled = parts.map((part) => part.replace(placeholder, (_, name: string) => fill(name)));
  const asked = query?.replace(placeholder, (_, name: string) => encodeURIComponent(fill(name)));
  return joinUrl(base, ...filled) + (asked === undefined ? "" : `?${asked}`);
}

function bodyOf({ shape, under, entity }: Declaration["send"]["body"], packet: Packet): Json {
  const key: JsonObject = entity === undefined ? {} : { [entity]: packet.entity };
  if (shape === "nested") {
    const fields = Object.entries(packet.fields).map(([name, value]) => [under ? `${under}.${name}` : name, value]);
    return nest({ ...Object.fromEntries(fields), ...key });
  }
  return under ? nest({ [under]: { ...packet.fields }, ...key }) : { ...packet.fields, ...nest(key) };
}

async function call({ answers }: Declaration, http: Http, request: HttpRequest): Promise<Outcome> {
  let answer: HttpResponse;
  try {
    answer = await http.request(request);
  } catch (error) {
    return outcomeOfError(error);
  }
  const { status } = answer;
  const at = new URL(request.url).pathname;
  const usual = outcomeOfExchange(request, answer, at);
  if (includes(answers.delivered, status)) return delivered({ at, status });
  if (includes(answers.retry, status)) {
    const afterMs = retryAfterOf(answer);
    return retry(`answered ${status}`, { status, ...(afterMs !== undefined && { afterMs }) });
  }
  if (!includes(answers.refused, status) || usual.kind === "refused") return usual;
  return refused(`answered ${status}`, { status, answer: answer.body.slice(0, maxAnswerLength) });
}

function includes(statuses: readonly (number | string)[], status: number): boolean {
  return statuses.some((each) => {
    if (typeof each === "number") return each === status;
    const [from, to] = each.split("-").map(Number);
    return status >= (from as number) && status <= (to as number);
  });
}
