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
import { type CachedToken, cachedToken, type TokenResult } from "./token-cache.ts";

const pem = z.string().startsWith("-----BEGIN ", "is not PEM");

/** The bridge's credentials at a token server, and its client certificate if the target requires one. */
export const clientSecretSchema = z
  .strictObject({
    clientId: z.string().min(1),
    clientSecret: z.string().min(1),
    cert: pem.optional(),
    key: pem.optional(),
    /** Certificate authority trusted besides the system's. */
    ca: pem.optional(),
  })
  .refine(({ cert, key }) => (cert === undefined) === (key === undefined), "has only one of cert and key; give both");

export type ClientSecret = z.output<typeof clientSecretSchema>;

/** Client authentication: in the form, or in an `Authorization: Basic` header. Source: RFC 6749, 2.3.1. */
export const clientAuthSchema = z
  .enum(["post", "basic"])
  .default("post")
  .describe("How the client's secret is sent to the token server: post (in the form) or basic (in a header).");

export interface TokenServer {
  readonly tokenUrl: string;
  readonly scope?: string | undefined;
  readonly clientAuth: z.output<typeof clientAuthSchema>;
}

/** Returns the TLS options of a secret, or undefined if it has no certificate and no authority. */
export function tlsOf({ cert, key, ca }: Pick<ClientSecret, "cert" | "key" | "ca">): Tls | undefined {
  return cert === undefined && ca === undefined ? undefined : { cert, key, ca };
}

/** Authorization of requests with a cached access token. */
export interface Authorization {
  readonly headers: { readonly authorization: string };
  readonly dropIfRefused: CachedToken["dropIfRefused"];
}

/**
 * Gets an access token by the client credentials grant, or the outcome if there is none.
 *
 * The token is cached per secret, so an attempt with a rotated secret gets a new token.
 */
export async function authorize(
  http: Http,
  server: TokenServer,
  secret: ClientSecret,
  signal: AbortSignal,
): Promise<Authorization | { readonly outcome: Outcome }> {
  const key = JSON.stringify([server, secret]);
  const cached = await cachedToken(http, key, () => fetchToken(http, server, secret, signal));
  if ("outcome" in cached) return cached;
  return { headers: { authorization: `Bearer ${cached.token}` }, dropIfRefused: cached.dropIfRefused };
}

/**
 * Requests a token. If that fails, the outcome never counts as landed, because nothing was sent to the target.
 *
 * A token without a lifetime is used until it is refused.
 */
async function fetchToken(
  http: Http,
  { tokenUrl, scope, clientAuth }: TokenServer,
  secret: ClientSecret,
  signal: AbortSignal,
): Promise<TokenResult> {
  const server = { issuer: new URL(tokenUrl).origin, token_endpoint: tokenUrl };
  const client = { client_id: secret.clientId };
  const clientAuthentication = (clientAuth === "post" ? ClientSecretPost : ClientSecretBasic)(secret.clientSecret);
  let received: HttpResponse | undefined;
  try {
    const response = await clientCredentialsGrantRequest(server, client, clientAuthentication, scope ? { scope } : {}, {
      // `http` allows requests without TLS to loopback only.
      [allowInsecureRequests]: true,
      [customFetch]: async (url, { headers, body }) => {
        received = await http.request({
          method: "POST",
          url,
          headers,
          text: { type: "application/x-www-form-urlencoded", body: String(body) },
          tls: tlsOf(secret),
          signal,
        });
        return toFetchResponse(received);
      },
    });
    const { access_token, expires_in } = await processClientCredentialsResponse(server, client, response);
    return { token: access_token, livesMs: expires_in === undefined ? Number.POSITIVE_INFINITY : expires_in * 1_000 };
  } catch (error) {
    return { outcome: outcomeWithoutToken(error, received) };
  }
}

/** Converts a response of `http` to one of `fetch`. */
function toFetchResponse({ status, headers, body }: HttpResponse): Response {
  const fetchHeaders = new Headers();
  for (const [name, value] of Object.entries(headers)) {
    for (const each of [value ?? []].flat()) fetchHeaders.append(name, each);
  }
  return new Response(body === "" ? null : body, { status, headers: fetchHeaders });
}

/** Returns the outcome of a failed token request. Its reason has the server's error code but none of its texts. */
function outcomeWithoutToken(error: unknown, response: HttpResponse | undefined): Outcome {
  const outcome = response ? outcomeOf(response, "") : outcomeOfError(error);
  if (outcome.kind === "retry" && !(response && outcome.auth)) {
    return { ...outcome, reason: `no token: ${outcome.reason}`, mayHaveLanded: false };
  }
  const status = response?.status;
  if (outcome.kind === "delivered") {
    return retry(`no token: answered ${status} without one`, { code: "answered", status, mayHaveLanded: false });
  }
  const code = error instanceof ResponseBodyError && /^[a-z_]{1,40}$/.test(error.error) ? ` ${error.error}` : "";
  return retry(`no token: the credentials were refused (${status}${code})`, {
    status,
    auth: true,
    mayHaveLanded: false,
  });
}
