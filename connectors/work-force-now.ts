import * as z from "zod";
import { defineConnector } from "../bridge/model/connector.ts";
import { retry } from "../bridge/model/outcome.ts";
import { nest } from "../bridge/values/field-path.ts";
import { joinUrl } from "./protocols/http/client.ts";
import { authorize, clientAuthSchema, clientSecretSchema, tlsOf } from "./protocols/http/oauth2.ts";

/**
 * Connector to version 1 of a commercial HR service's API for flexible working times. Each employee or policy takes one
 * call.
 *
 * With a secret, calls carry an access token from the client credentials grant, and use the secret's certificate if it
 * has one.
 */
export const connector = defineConnector({
  name: "WorkForceNow",
  version: "v1",
  order: "latest",
  idempotent: true,
  config: z.strictObject({
    baseUrl: z
      .url()
      .default("https://api.workforcenow.example/hr/v1")
      .describe("The base URL of the HR service's API."),
    tokenUrl: z.url().optional().describe("The URL that issues access tokens. Required if there is a secret."),
    scope: z.string().min(1).optional().describe("The scope to request for the token."),
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
      return retry("it has a secret but no tokenUrl in its configuration", { code: "setup", mayHaveLanded: false });
    }
    const access = await authorize(http, { ...server, tokenUrl }, secret, signal);
    if ("outcome" in access) return access.outcome;
    return access.dropIfRefused(await http.deliver({ ...request, headers: access.headers, tls: tlsOf(secret) }));
  },

  probe({ config, secret, http, signal }) {
    return http.isAwake(joinUrl(config.baseUrl, "flex_time"), signal, secret && tlsOf(secret));
  },
});
