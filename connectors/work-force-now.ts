import * as z from "zod";
import { defineConnector } from "../bridge/model/connector.ts";
import { retry } from "../bridge/model/outcome.ts";
import { nest } from "../bridge/values/field-path.ts";
import { joinUrl } from "./protocols/http/client.ts";
import { authorize, clientAuthSchema, clientSecretSchema, tlsOf } from "./protocols/http/oauth2.ts";

/**
 * A commercial HR service: flexible working times, one call an employee or policy.
 *
 * With a secret it shows a token by client credentials, and a certificate where the secret has one; without, neither.
 */
export const connector = defineConnector({
  name: "WorkForceNow",
  version: "v1",
  order: "latest",
  idempotent: true,
  config: z.strictObject({
    baseUrl: z.url().default("https://api.workforcenow.example/hr/v1").describe("Where the HR service's API begins."),
    tokenUrl: z.url().optional().describe("Where it gives out access tokens; needed where there is a secret."),
    scope: z.string().min(1).optional().describe("What the token is asked for."),
    clientAuth: clientAuthSchema,
  }),
  secret: clientSecretSchema.optional(),
  rate: { concurrency: 10 },

  async send(packet, { config, secret, http, signal }) {
    const request = {
      method: "POST",
      url: joinUrl(config.baseUrl, "flex_time"),
      json: { ...nest(packet.fields), external_id: packet.entity },
      idempotencyKey: packet.id,
      signal,
    } as const;
    if (!secret) return http.deliver(request);
    const { tokenUrl, ...server } = config;
    if (tokenUrl === undefined) {
      return retry("it has a secret, and its configuration no tokenUrl", { code: "setup", mayHaveLanded: false });
    }
    const access = await authorize(http, { ...server, tokenUrl }, secret, signal);
    if ("outcome" in access) return access.outcome;
    return access.dropIfRefused(await http.deliver({ ...request, headers: access.headers, tls: tlsOf(secret) }));
  },

  probe({ config, secret, http, signal }) {
    return http.isAwake(joinUrl(config.baseUrl, "flex_time"), signal, secret && tlsOf(secret));
  },
});
