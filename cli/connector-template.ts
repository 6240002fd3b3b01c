/** A file to write, with its path relative to the project's root. */
export interface TemplateFile {
  readonly file: string;
  readonly text: string;
}

/** Returns the two files that `bridge connectors new` writes: the connector and its test. */
export function templateFiles(name: string, kind: "ts" | "yaml"): [connector: TemplateFile, test: TemplateFile] {
  const stem = name.replace(/([a-z0-9])([A-Z])|([A-Z])([A-Z][a-z])/g, "$1$3-$2$4").toLowerCase();
  const host = `${stem}.example`;
  const test = `test/connectors/${stem}.test.ts`;
  return kind === "ts"
    ? [
        { file: `connectors/${stem}.ts`, text: typescript(name, host) },
        { file: test, text: contract(`import { connector } from "../../connectors/${stem}.ts";\n`) },
      ]
    : [
        { file: `connectors/${stem}.yaml`, text: declaration(name, host) },
        { file: test, text: contract(declared, `\nconst connector = await connectorIn("connectors/${stem}.yaml");\n`) },
      ];
}

const typescript = (name: string, host: string) => `import * as z from "zod";
import { defineConnector } from "../bridge/model/connector.ts";
import { nest } from "../bridge/values/field-path.ts";
import { joinUrl } from "./protocols/http/client.ts";

/** Sends packets to ${name}. TODO: describe the system in one sentence. */
export const connector = defineConnector({
  name: "${name}",
  version: "v1",
  order: "latest",
  idempotent: true,
  config: z.strictObject({
    baseUrl: z.url().default("https://${host}/api").describe("Base URL of its API."),
  }),
  rate: { concurrency: 10 },

  send(packet, { config, http, signal }) {
    return http.deliver({
      method: "PUT",
      url: joinUrl(config.baseUrl, "records", packet.entity),
      json: nest(packet.fields),
      idempotencyKey: packet.id,
      signal,
    });
  },

  probe({ config, http, signal }) {
    return http.isAwake(config.baseUrl, signal);
  },
});
`;

const declaration = (
  name: string,
  host: string,
) => `# Sends packets to ${name}. TODO: describe the system in one sentence.
# All settings are in docs/connectors.md, section "Declared connectors".
name: ${name}
baseUrl: https://${host}/api
idempotent: true # receiving the same packet twice has no further effect
send:
  method: PUT
  path: /records/{entity}
`;

const declared = `import { connectorIn } from "../../connectors/protocols/load-connectors.ts";\n`;

const contract = (
  imports: string,
  made = "",
) => `${imports}import { connectorContract } from "../support/connector-contract.ts";
${made}
connectorContract({
  connector,
  configure: (baseUrl) => ({ baseUrl }),
  fields: { "rate.usd": 68 },
  received: { method: "PUT", path: "/records/E-1001", body: { rate: { usd: 68 } } },
});
`;
