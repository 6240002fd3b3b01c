import { describe, expect, test } from "vitest";
import { createHttp, hostsIn } from "../../connectors/protocols/http/client.ts";
import { connector } from "../../connectors/work-force-now.ts";
import { authority } from "../support/certificates.ts";
import { aMemory, connectorContract, packetFor } from "../support/connector-contract.ts";
import { targetServer } from "../support/target-server.ts";
import { tokenServer } from "../support/token-server.ts";

connectorContract({
  connector,
  configure: (baseUrl) => ({ baseUrl }),
  fields: { flex_time: 16 },
  received: { method: "POST", path: "/flex_time", body: { flex_time: 16, external_id: "E-1001" } },
});

describe("WorkForceNow@v1 client credentials", () => {
  const packet = packetFor(connector as never, { flex_time: 16 });
  const login = { clientId: "hms-bridge", clientSecret: "first" };

  test.each(["post", "basic"] as const)(
    "sends a token and a client certificate if the token request authenticates by %s",
    async (clientAuth) => {
      const trusted = await authority();
      await using tokens = await tokenServer({
        ...login,
        clientAuth: `client_secret_${clientAuth}`,
        authority: trusted,
      });
      const secure = { ...(await trusted.server()), ca: trusted.ca, requestCert: true };
      await using target = await targetServer(async ({ headers }, response) => {
        response.writeHead((await tokens.accepts(headers.authorization)) ? 204 : 401).end();
      }, secure);
      const config = connector.config.parse({ baseUrl: target.url, tokenUrl: tokens.tokenUrl, clientAuth });
      const context = {
        config,
        secret: { ...login, ...(await trusted.client("hms-bridge")), ca: trusted.ca },
        http: createHttp({ allowedHosts: hostsIn(config) }),
        memory: aMemory(),
        signal: new AbortController().signal,
      };

      const first = await connector.send(packet, context);
      tokens.revokeAll();
      const refused = await connector.send(packet, context);
      const renewed = await connector.send(packet, context);

      expect([first, refused, renewed]).toMatchObject([
        { kind: "delivered" },
        { kind: "retry", auth: true, mayHaveLanded: false },
        { kind: "delivered" },
      ]);
      expect(tokens.issued()).toBe(2);
      expect(await connector.probe(context)).toBe(true);
    },
  );

  test("sends nothing if a secret is set but tokenUrl is not", async () => {
    await using target = await targetServer();
    const config = connector.config.parse({ baseUrl: target.url });
    const http = createHttp({ allowedHosts: hostsIn(config) });
    const { signal } = new AbortController();

    const outcome = await connector.send(packet, { config, secret: login, http, memory: aMemory(), signal });

    expect(outcome).toEqual({
      kind: "retry",
      reason: "it has a secret but no tokenUrl in its configuration",
      code: "setup",
      mayHaveLanded: false,
    });
    expect(target.received).toEqual([]);
  });
});
