import {
  allowInsecureRequests,
  ClientSecretBasic,
  ClientSecretPost,
  clientCredentialsGrantRequest,
  customFetch,
  processClientCredentialsResponse,
  ResponseBodyError,
} from "oauth4webapi";
import * as z from "zod";
import type { Http, HttpResponse, Tls } from "../../../bridge/model/connector.ts";
import { type Outcome, retry } from "../../../bridge/model/outcome.ts";
import { outcomeOf, outcomeOfError } from "./client.ts";
import { type Fetched, type Held, heldToken } from "./token-cache.ts";

const pem = z.string().startsWith("-----BEGIN ", "is not PEM");

/** Who we are at a token server, and the certificate a target may ask for. */
export const clientSecretSchema = z
  .strictObject({
    clientId: z.string().min(1),
    clientSecret: z.string().min(1),
    cert: pem.optional(),
    key: pem.optional(),
    /** Whom we trust besides the system's authorities. */
    ca: pem.optional(),
  })
  .refine(({ cert, key }) => (cert === undefined) === (key === undefined), "has one of cert and key; give both");

export type ClientSecret = z.output<typeof clientSecretSchema>;

/** How a client shows its secret: in the form, or in an `Authorization: Basic` header. Source: RFC 6749, 2.3.1. */
export const clientAuthSchema = z
  .enum(["post", "basic"])
  .default("post")
  .describe("Where the token server wants the client's secret: post (in the form) or basic (in a header).");

export interface TokenServer {
  readonly tokenUrl: string;
  readonly scope?: string | undefined;
  readonly clientAuth: z.output<typeof clientAuthSchema>;
}

/** The certificate of a secret, for `http`; nothing where it has none. */
export function tlsOf({ cert, key, ca }: Pick<ClientSecret, "cert" | "key" | "ca">): Tls | undefined {
  return cert === undefined && ca === undefined ? undefined : { cert, key, ca };
}

/**
 * The headers of an access token by client credentials. The try the path makes with a fresh secret has a fresh token
 * too.
 */
export async function accessTo(
  http: Http,
  server: TokenServer,
  secret: ClientSecret,
  signal: AbortSignal,
): Promise<
  { readonly headers: { readonly authorization: string }; readonly heed: Held["heed"] } | { readonly outcome: Outcome }
> {
  const held = await heldToken(http, JSON.stringify([server, secret]), () => fetchToken(http, server, secret, signal));
  if ("outcome" in held) return held;
  return { headers: { authorization: `Bearer ${held.token}` }, heed: held.heed };
}

/**
 * Asks for a token. Nothing was sent to the target yet, whatever comes of it.
 *
 * A token that does not say how long it lives is used until it is refused.
 */
async function fetchToken(
  http: Http,
  { tokenUrl, scope, clientAuth }: TokenServer,
  secret: ClientSecret,
  signal: AbortSignal,
): Promise<Fetched> {
  const server = { issuer: new URL(tokenUrl).origin, token_endpoint: tokenUrl };
  const client = { client_id: secret.clientId };
  const shown = clientAuth === "post" ? ClientSecretPost(secret.clientSecret) : ClientSecretBasic(secret.clientSecret);
  let answer: HttpResponse | undefined;
  try {
    const response = await clientCredentialsGrantRequest(server, client, shown, scope ? { scope } : {}, {
      // `http` itself speaks in the clear to nobody but loopback.
      [allowInsecureRequests]: true,
      [customFetch]: async (url, { headers, body }) => {
        answer = await http.request({
          method: "POST",
          url,
          headers,
          text: { type: "application/x-www-form-urlencoded", body: String(body) },
          tls: tlsOf(secret),
          signal,
        });
        return asFetched(answer);
      },
    });
    const { access_token, expires_in } = await processClientCredentialsResponse(server, client, response);
    return { token: access_token, livesMs: expires_in === undefined ? Number.POSITIVE_INFINITY : expires_in * 1_000 };
  } catch (error) {
    return { outcome: withoutToken(error, answer) };
  }
}

/** Our answer as `fetch` would have given it. */
function asFetched({ status, headers, body }: HttpResponse): Response {
  const given = new Headers();
  for (const [name, value] of Object.entries(headers)) {
    for (const each of [value ?? []].flat()) given.append(name, each);
  }
  return new Response(body === "" ? null : body, { status, headers: given });
}

/** Why there is no token: in the token server's own code, never in its words. */
function withoutToken(error: unknown, answer: HttpResponse | undefined): Outcome {
  const judged = answer ? outcomeOf(answer, "") : outcomeOfError(error);
  if (judged.kind === "retry" && !(answer && judged.auth)) {
    return { ...judged, reason: `no token: ${judged.reason}`, mayHaveLanded: false };
  }
  const status = answer?.status;
  if (judged.kind === "delivered") {
    return retry(`no token: answered ${status} without one`, { code: "answered", status, mayHaveLanded: false });
  }
  const code = error instanceof ResponseBodyError && /^[a-z_]{1,40}$/.test(error.error) ? ` ${error.error}` : "";
  return retry(`no token: the credentials were refused (${status}${code})`, {
    status,
    auth: true,
    mayHaveLanded: false,
  });
}
