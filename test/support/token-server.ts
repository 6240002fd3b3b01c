import http from "node:http";
import https from "node:https";
import type { AddressInfo } from "node:net";
import Provider from "oidc-provider";
import type { Authority } from "./certificates.ts";

/** A real OAuth 2.0 authorization server on loopback, for one client at a time. */
export interface TokenServer extends AsyncDisposable {
  readonly tokenUrl: string;
  /** Counts the tokens issued so far. */
  readonly issued: () => number;
  /** Returns true if the `Authorization` header contains a token that is valid now. */
  accepts(authorization: string | undefined): Promise<boolean>;
  /** Revokes every token issued so far. */
  revokeAll(): void;
  /** Replaces the client's secret. */
  rotate(clientSecret: string): void;
}

export interface TokenServerOptions {
  readonly clientId: string;
  readonly clientSecret: string;
  /** Lifetime of a token. */
  readonly seconds?: number;
  readonly clientAuth?: "client_secret_post" | "client_secret_basic";
  /** Requires mutual TLS with client certificates of this authority. */
  readonly authority?: Authority;
}

export async function tokenServer(options: TokenServerOptions): Promise<TokenServer> {
  const { clientId, seconds = 3_600, clientAuth = "client_secret_post", authority } = options;
  const server = authority
    ? https.createServer({ ...(await authority.server()), ca: authority.ca, requestCert: true })
    : http.createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const origin = `${authority ? "https" : "http"}://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const tokens = new Set<string>();
  let issued = 0;
  const providerWith = (clientSecret: string) => {
    const provider = quietly(
      () =>
        new Provider(origin, {
          clients: [
            {
              client_id: clientId,
              client_secret: clientSecret,
              grant_types: ["client_credentials"],
              redirect_uris: [],
              response_types: [],
              token_endpoint_auth_method: clientAuth,
            },
          ],
          features: { clientCredentials: { enabled: true }, devInteractions: { enabled: false } },
          scopes: ["hr"],
          ttl: { ClientCredentials: seconds },
        }),
    );
    provider.on("client_credentials.saved", ({ jti }) => {
      issued++;
      tokens.add(jti);
    });
    return provider;
  };
  let provider = providerWith(options.clientSecret);
  server.on("request", (request, response) => void provider.callback()(request, response));
  return {
    tokenUrl: `${origin}/token`,
    issued: () => issued,
    async accepts(authorization = "") {
      const token = authorization.replace(/^Bearer /, "");
      return tokens.has(token) && (await provider.ClientCredentials.find(token)) !== undefined;
    },
    revokeAll: () => tokens.clear(),
    rotate(clientSecret) {
      provider = providerWith(clientSecret);
    },
    async [Symbol.asyncDispose]() {
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}

/** Suppresses the provider's warnings about keys and a store that are unfit for production. */
function quietly<T>(make: () => T): T {
  const { warn } = console;
  console.warn = () => {};
  try {
    return make();
  } finally {
    console.warn = warn;
  }
}
