import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { Connector } from "../../../../bridge/model/connector.ts";
import type { Packet } from "../../../../bridge/model/packet.ts";
import { issueText } from "../../../../bridge/values/yaml-file.ts";
import {
  declarationJsonSchema,
  readDeclaration,
} from "../../../../connectors/protocols/declarative/declaration-file.ts";
import {
  type DeclarationInput,
  declaredConnector,
} from "../../../../connectors/protocols/declarative/rest-connector.ts";
import { createHttp, hostsIn } from "../../../../connectors/protocols/http/client.ts";
import { connectorIn, listConnectorFiles } from "../../../../connectors/protocols/load-connectors.ts";
import { authority } from "../../../support/certificates.ts";
import { aMemory, connectorContract, packetFor } from "../../../support/connector-contract.ts";
import { home } from "../../../support/home.ts";
import { type Answer, type Received, targetServer } from "../../../support/target-server.ts";
import { tokenServer } from "../../../support/token-server.ts";

const example = "examples/connectors/badge-office.yaml";
const exampleText = readFileSync(example, "utf8");

connectorContract({
  connector: (await connectorIn(example)) as Connector<never, never>,
  configure: (baseUrl) => ({ baseUrl }),
  secret: { value: "k-1" } as never,
  fields: { "zone.north": true },
  received: {
    method: "PUT",
    path: "/people/E-1001/badge",
    body: { badge: { zone: { north: true } }, person: "E-1001" },
  },
});

const minimal = {
  name: "Declared",
  baseUrl: "https://target.gov/api",
  idempotent: true,
  send: { method: "PATCH", path: "/records/{entity}" },
} satisfies DeclarationInput;

/** Sends one packet to a real server as declared. Returns the outcome and the request the server received. */
async function sent(
  declaration: Partial<DeclarationInput>,
  more: Partial<Packet> & { secret?: object; answer?: Answer } = {},
) {
  const { secret, answer, ...packetMore } = more;
  await using target = await targetServer(answer);
  const connector = declaredConnector({ ...minimal, ...declaration, baseUrl: target.url });
  const config = connector.config.parse({});
  const http = createHttp({ allowedHosts: hostsIn(config) });
  const packet = packetFor(connector as never, { "a.b": 1, site: "x/y" }, packetMore);
  const context = { config, secret: secret as never, http, memory: aMemory(), signal: new AbortController().signal };
  const outcome = await connector.send(packet, context);
  return { outcome, seen: target.received[0] as Received };
}

describe("declared connector", () => {
  test.each<[Partial<DeclarationInput>, Partial<Received>]>([
    [{}, { method: "PATCH", path: "/records/E-1001", body: { a: { b: 1 }, site: "x/y" } }],
    [
      { send: { method: "PUT", path: "/{entity}", body: { shape: "flat" } } },
      { path: "/E-1001", body: { "a.b": 1, site: "x/y" } },
    ],
    [
      { send: { method: "PUT", path: "/", body: { shape: "flat", under: "data", entity: "data.id" } } },
      { path: "/", body: { data: { "a.b": 1, site: "x/y", id: "E-1001" } } },
    ],
    [
      { send: { method: "POST", path: "/sites/{site}/of-{a.b}?who={entity}&q={site}" } },
      { path: "/sites/x%2Fy/of-1?who=E-1001&q=x%2Fy" },
    ],
  ])("sends the declaration %j as %j", async (declaration, wanted) => {
    const { outcome, seen } = await sent(declaration);

    expect(outcome).toMatchObject({ kind: "delivered" });
    expect(seen).toMatchObject(wanted);
  });

  test("sends deletions only if they are declared", async () => {
    const declaration = { delete: { path: "/records/{entity}" } };

    const { seen } = await sent(declaration, { action: "delete", fields: {} });

    expect(seen).toMatchObject({ method: "DELETE", path: "/records/E-1001", body: undefined });
    expect(declaredConnector({ ...minimal, ...declaration }).deletes).toBe(true);
    expect(declaredConnector(minimal).deletes).toBeUndefined();
  });

  test("refuses a packet that lacks a field of the path and names the field", async () => {
    const { outcome, seen } = await sent({ send: { method: "PUT", path: "/{building}/{entity}" } });

    expect(outcome).toMatchObject({ kind: "refused", reason: expect.stringContaining("its URL needs building") });
    expect(seen).toBeUndefined();
  });

  test.each<[DeclarationInput["auth"], object, Record<string, string>]>([
    ["bearer", { token: "t" }, { authorization: "Bearer t" }],
    [
      "basic",
      { username: "u", password: "p:é" },
      { authorization: `Basic ${Buffer.from("u:p:é").toString("base64")}` },
    ],
    [{ header: "X-Api-Key" }, { value: "k" }, { "x-api-key": "k" }],
  ])("sends the credentials of auth %j and rejects a secret without them", async (auth, secret, wanted) => {
    const { seen } = await sent({ auth, headers: { "X-Agency": "ONRR" } }, { secret });

    expect(seen.headers).toMatchObject({ ...wanted, "x-agency": "ONRR", "idempotency-key": "pkt-abcdefghijklmnop" });
    const { secret: schema } = declaredConnector({ ...minimal, auth });
    expect(schema?.safeParse(secret).success).toBe(true);
    expect(schema?.safeParse({}).success).toBe(false);
    expect(schema?.safeParse({ ...secret, stray: "1" }).success).toBe(false);
  });

  test("sends a token and the client certificate with oauth2", async () => {
    const trusted = await authority();
    await using tokens = await tokenServer({ clientId: "hms", clientSecret: "s", authority: trusted });
    await using target = await targetServer(
      async ({ headers }, response) => {
        response.writeHead((await tokens.accepts(headers.authorization)) ? 204 : 401).end();
      },
      { ...(await trusted.server()), ca: trusted.ca, requestCert: true },
    );
    const connector = declaredConnector({
      ...minimal,
      baseUrl: target.url,
      auth: { oauth2: { tokenUrl: tokens.tokenUrl } },
      certificate: true,
    });
    const config = connector.config.parse({});
    const secret = { clientId: "hms", clientSecret: "s", ...(await trusted.client("hms")), ca: trusted.ca };
    const http = createHttp({ allowedHosts: hostsIn(config) });
    const context = { config, secret, http, memory: aMemory(), signal: new AbortController().signal };

    expect(await connector.send(packetFor(connector as never, { a: 1 }), context)).toMatchObject({ kind: "delivered" });
    expect(await connector.probe(context)).toBe(true);
    expect(connector.secret?.safeParse(secret).success).toBe(true);
    expect(connector.secret?.safeParse({ clientId: "hms", clientSecret: "s" }).success).toBe(false);
  });

  test.each<[number, object]>([
    [409, { kind: "retry", status: 409, afterMs: 7_000 }],
    [451, { kind: "retry", status: 451 }],
    [208, { kind: "delivered", status: 208 }],
    [503, { kind: "refused", status: 503, answer: "<p>no</p>" }],
    [400, { kind: "refused", status: 400 }],
    [500, { kind: "retry", status: 500 }],
  ])("handles status %i as declared, or as usual if it is not declared", async (status, wanted) => {
    const answers = { delivered: [208], retry: [409, "450-452"], refused: [503] };

    const { outcome } = await sent(
      { answers },
      {
        answer: (_, response) =>
          response.writeHead(status, { "content-type": "text/html", "retry-after": "7" }).end("<p>no</p>"),
      },
    );

    expect(outcome).toMatchObject(wanted);
  });

  test("keeps the declared version, order, lane and idempotency", () => {
    const declared = declaredConnector({
      ...minimal,
      version: "v3",
      order: "strict",
      lane: "connector",
      idempotent: false,
    });

    expect(declared).toMatchObject({ version: "v3", order: "strict", lane: "connector", idempotent: false });
  });
});

describe("declaration file", () => {
  const issuesOf = (text: string) => {
    const result = readDeclaration("connectors/x.yaml", text);
    return result.ok ? [] : result.issues.map(issueText);
  };

  test("the example file is valid", () => {
    expect(issuesOf(exampleText)).toEqual([]);
  });

  test.each<[string, string, string]>([
    [
      "an unknown key",
      exampleText.replace("idempotent:", "idempotend:"),
      'connectors/x.yaml:4: unknown key "idempotend"; did you mean "idempotent"?',
    ],
    [
      "an unknown key inside",
      exampleText.replace("method: PUT", "metod: PUT"),
      'connectors/x.yaml:7: unknown key "metod"; did you mean "method"?',
    ],
    [
      "an unsupported method",
      exampleText.replace("method: PUT", "method: GET"),
      "connectors/x.yaml:7: method must be POST, PUT or PATCH",
    ],
    [
      "an invalid path",
      exampleText.replace("path: /people/{entity}/badge\n  body", "path: people\n  body"),
      "connectors/x.yaml:8: path is not a path such as /people/{entity}",
    ],
    [
      "half a placeholder",
      exampleText.replace("/{entity}/badge\n  body", "/{entity/badge\n  body"),
      "connectors/x.yaml:8: path has an unmatched brace",
    ],
    [
      "a secret in a header",
      exampleText.replace("X-Agency: ONRR", "Authorization: Bearer hunter2"),
      'connectors/x.yaml:13: Authorization: belongs under "auth:", with its value in the secret',
    ],
    [
      "an invalid status",
      exampleText.replace("[409, 423]", "[409, 99]"),
      'connectors/x.yaml:15: retry[1] is not a status such as 409 or "500-599"',
    ],
    [
      "no idempotent key",
      exampleText.replace("idempotent: true\n", ""),
      "idempotent is missing; set true if sending the same packet twice has no second effect",
    ],
    [
      "an invalid name",
      exampleText.replace("BadgeOffice\n", "badge office\n"),
      "connectors/x.yaml:2: name is not a name such as BadgeOffice",
    ],
    ["a duplicate key", `${exampleText}\nname: Other\n`, "duplicate key; keep only one"],
    ["invalid YAML", "name: [", "connectors/x.yaml:1: invalid YAML"],
    ["no content", "# nothing", 'connectors/x.yaml:1: the declaration is empty; start with "name:" and "baseUrl:"'],
    ["a hostile key", "__proto__: { a: 1 }\nname: X", "__proto__"],
  ])("reports %s with the line and a fix", (_, text, wanted) => {
    expect(issuesOf(text).join("\n")).toContain(wanted);
    expect(issuesOf(text).join("\n")).not.toContain("hunter2");
  });

  test("the connector listing includes declaration files and throws if one is invalid", async () => {
    using folder = home({ "badge-office.yaml": exampleText, "notes.md": "", "protocols/x.ts": "" });

    const found = await listConnectorFiles(folder.path);
    folder.write("bad.yaml", "name: X1\n");

    expect(found.map(({ connector }) => connector.name)).toEqual(["BadgeOffice"]);
    await expect(listConnectorFiles(folder.path)).rejects.toThrow(/bad\.yaml:1: baseUrl/);
  });

  test("has a JSON Schema for editors", () => {
    expect(declarationJsonSchema()).toMatchObject({
      title: "HMS Sync Bridge declared connector",
      required: ["name", "baseUrl", "idempotent", "send"],
      properties: { send: { properties: { method: { enum: ["POST", "PUT", "PATCH"] } } } },
    });
  });
});
