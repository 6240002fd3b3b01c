import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import * as soap from "soap";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Outcome } from "../../../../bridge/model/outcome.ts";
import type { Packet } from "../../../../bridge/model/packet.ts";
import { createHttp, hostsIn } from "../../../../connectors/protocols/http/client.ts";
import { parseResponse } from "../../../../connectors/protocols/soap/response.ts";
import { connector as nonRepeatable } from "../../../../connectors/soap.ts";
import { connector } from "../../../../connectors/soap-update.ts";
import { aPacket } from "../../../support/builders.ts";
import { home } from "../../../support/home.ts";

const wsdl = join(import.meta.dirname, "../../../../examples/soap/legacy-hr.wsdl");
const secret = { username: "bridge & co", password: "open <sesame>" };
const parts = {
  employeeId: "$entity",
  "schedule.teleworkHours": "flex_time",
  "schedule.from": "policy_start",
  note: "note",
  requestId: "$packet",
};

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

function aChange(fields: Packet["fields"], more: Partial<Packet> = {}): Packet {
  return aPacket({ entity: "E-1001", fields, ...more });
}

function contextFor(
  endpoint: string,
  more: object = {},
  { as = secret as object, signal = new AbortController().signal } = {},
) {
  const config = connector.config.parse({
    ...{ endpoint, wsdl, parts, operation: "UpdateEmployee", deleteOperation: "RemoveEmployee" },
    ...more,
  });
  const unused = (): never => {
    throw new Error("SOAP needs no memory");
  };
  const client = createHttp({ allowedHosts: hostsIn(config), connectMs: 1_000, headersMs: 1_000, bodyMs: 1_000 });
  return {
    config,
    secret: connector.secret?.parse(as) ?? {},
    http: client,
    memory: { get: unused, set: unused, isOpen: unused },
    signal,
  };
}

/** One call that the service received. */
interface ReceivedCall {
  readonly args: Record<string, unknown>;
  readonly headers: http.IncomingHttpHeaders;
  readonly xml: string;
}

describe("SOAP connector", () => {
  const calls: ReceivedCall[] = [];
  let fault: object | undefined;
  let authenticates: (security: Token) => boolean;
  let server: http.Server;
  let endpoint: string;

  interface Token {
    readonly UsernameToken: {
      readonly Username: string;
      readonly Password: { $value: string };
      readonly Nonce: { $value: string };
      readonly Created: string;
    };
  }

  const passwordText = ({ UsernameToken: { Username, Password } }: Token) =>
    Username === secret.username && Password.$value === secret.password;
  /** Source: OASIS, "Web Services Security: UsernameToken Profile 1.1", 3.1: Base64 (SHA-1 (nonce + created + password)). */
  const digest = ({ UsernameToken: { Username, Password, Nonce, Created } }: Token) => {
    const hash = createHash("sha1")
      .update(Buffer.from(Nonce.$value, "base64"))
      .update(Created + secret.password);
    return Username === secret.username && Password.$value === hash.digest("base64");
  };

  beforeAll(async () => {
    let xml = "";
    const take = (
      args: Record<string, unknown>,
      _answer: unknown,
      _headers: unknown,
      request: http.IncomingMessage,
    ) => {
      calls.push({ args, headers: request.headers, xml });
      if (fault) throw { Fault: fault };
      return { revision: "r-1" };
    };
    server = http.createServer((_, response) => response.writeHead(404).end());
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const service = { LegacyHR: { EmployeesSoap: { UpdateEmployee: take, RemoveEmployee: take } } };
    const listening = soap.listen(server, {
      ...{ path: "/soap/employees", services: service, xml: readFileSync(wsdl, "utf8"), uri: wsdl },
    });
    await new Promise((resolve) => setImmediate(resolve));
    listening.log = (type, data) => {
      if (type === "received") xml = String(data);
    };
    listening.authenticate = (security: unknown) => authenticates(security as Token);
    endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}/soap/employees`;
  });
  afterAll(() => {
    server?.closeAllConnections();
    server?.close();
  });
  beforeEach(() => {
    calls.length = 0;
    fault = undefined;
    authenticates = digest;
  });

  test("sends the changed fields under their configured names in configured order", async () => {
    const outcome = await connector.send(
      aChange({ policy_start: "2026-12-01", flex_time: 16.5 }),
      contextFor(endpoint),
    );

    expect(outcome).toEqual({ kind: "delivered", at: "/soap/employees", status: 200 });
    expect(calls.map(({ args }) => args)).toEqual([
      {
        employeeId: "E-1001",
        schedule: { teleworkHours: 16.5, from: new Date("2026-12-01") },
        requestId: "pkt-aaaaaaaaaaaaaaaa",
      },
    ]);
    expect(calls[0]?.xml).toMatch(/employeeId>.*teleworkHours>.*from>.*requestId>/s);
    expect(calls[0]?.headers).toMatchObject({
      soapaction: '"urn:agency:hr:2006/UpdateEmployee"',
      "content-type": "text/xml; charset=utf-8",
      "idempotency-key": "pkt-aaaaaaaaaaaaaaaa",
    });
  });

  test("sends a cleared field as xsi:nil", async () => {
    await connector.send(aChange({ note: null, flex_time: null }), contextFor(endpoint));

    expect(calls[0]?.xml).toMatch(/<\w*:?note xsi:nil="true">/);
    expect(calls[0]?.xml).toMatch(/<\w*:?teleworkHours xsi:nil="true">/);
  });

  test("sends a deletion with deleteOperation and refuses it if none is configured", async () => {
    const gone = aChange({}, { action: "delete" });

    expect(await connector.send(gone, contextFor(endpoint))).toMatchObject({ kind: "delivered" });
    expect(calls[0]?.xml).toContain("RemoveEmployee");
    const without = contextFor(endpoint, { deleteOperation: undefined });
    expect(await connector.send(gone, without)).toMatchObject({ kind: "refused" });
    expect(calls).toHaveLength(1);
  });

  test("sends the packet's id with each attempt", async () => {
    const packet = aChange({ flex_time: 16 });

    await connector.send(packet, contextFor(endpoint, { addressing: true }));
    await connector.send(packet, contextFor(endpoint, { addressing: true }));

    expect(calls.map(({ args }) => args.requestId)).toEqual([packet.id, packet.id]);
    for (const { xml } of calls) {
      expect(xml).toContain(`addressing">urn:hms-bridge:${packet.id}</MessageID>`);
      expect(xml).toContain('addressing">urn:agency:hr:2006/UpdateEmployee</Action>');
    }
  });

  test("sends the username token as a digest or as plain text", async () => {
    authenticates = digest;
    expect(await connector.send(aChange({ flex_time: 1 }), contextFor(endpoint))).toMatchObject({ kind: "delivered" });
    authenticates = passwordText;
    expect(await connector.send(aChange({ flex_time: 1 }), contextFor(endpoint, { security: "text" }))).toMatchObject({
      kind: "delivered",
    });

    expect(calls[0]?.xml).not.toContain("sesame");
    const nonces = calls.map(({ xml }) => /<wsse:Nonce[^>]*>([^<]+)/.exec(xml)?.[1]);
    expect(new Set(nonces).size).toBe(2);
  });

  test("sends nothing if the secret has no credentials and security is not none", async () => {
    authenticates = () => true;
    const nothing = { as: {} };

    expect(await connector.send(aChange({ flex_time: 1 }), contextFor(endpoint, {}, nothing))).toMatchObject({
      kind: "retry",
      code: "setup",
      mayHaveLanded: false,
    });
    expect(calls).toEqual([]);
    const open = contextFor(endpoint, { security: "none" }, nothing);
    expect(await connector.send(aChange({ flex_time: 1 }), open)).toMatchObject({ kind: "delivered" });
    expect(calls[0]?.xml).not.toContain("Security");
  });

  test("sends SOAP 1.2 if it is configured", async () => {
    const outcome = await connector.send(aChange({ flex_time: 16 }), contextFor(endpoint, { soap: "1.2" }));

    expect(outcome).toMatchObject({ kind: "delivered" });
    expect(calls[0]?.headers["content-type"]).toBe(
      'application/soap+xml; charset=utf-8; action="urn:agency:hr:2006/UpdateEmployee"',
    );
    expect(calls[0]?.xml).toContain("http://www.w3.org/2003/05/soap-envelope");
  });

  test.each([
    "<evil/>",
    "</employeeId><employeeId>E-1",
    "<![CDATA[ ]]><evil/><![CDATA[ ]]>",
    "]]><evil/>",
    "&evil;",
    "&lt;evil/&gt;",
    "<!--",
    '" onload="x',
    "'",
    "<?xml version='1.0'?>",
    "<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>",
    "a\r\nb\tc",
    "{{7*7}} $xml #{x}",
    "Zoë 😀",
  ])("sends hostile text as text: %j", { tags: "row-28" }, async (evil) => {
    const outcome = await connector.send(aChange({ note: evil }, { entity: evil }), contextFor(endpoint));

    expect(outcome).toMatchObject({ kind: "delivered" });
    expect(calls[0]?.args).toEqual({ employeeId: evil, note: evil, requestId: "pkt-aaaaaaaaaaaaaaaa" });
    expect(calls[0]?.xml).not.toContain("<evil");
  });

  test.each<[string, Packet["fields"], RegExp]>([
    ["a field without a part", { nope: 1 }, /nope is in no part/],
    ["an object, whose keys could be raw XML", { note: { $xml: "<evil/>" } }, /not a text, a number/],
    ["a list of objects", { note: [{ attributes: { a: 1 } }] }, /not a text, a number/],
    ["a character XML cannot carry", { note: "a\u0000b" }, /XML can represent/],
    ["a terminal escape character", { note: "\u001b[2J" }, /XML can represent/],
    ["a field named like an object member", { toString: 1 }, /toString is in no part/],
  ])("refuses to send %s", async (_, fields, reason) => {
    expect(await connector.send(aChange(fields), contextFor(endpoint))).toMatchObject({
      kind: "refused",
      reason: expect.stringMatching(reason),
    });
    expect(calls).toEqual([]);
  });

  test.each<[string, object, Partial<Outcome>]>([
    ["Client", soap11("soap:Client"), { kind: "refused", answer: "no such employee" }],
    ["Client.Hours", soap11("SOAP-ENV:Client.Hours"), { kind: "refused" }],
    ["Server", soap11("soap:Server"), { kind: "retry", mayHaveLanded: true }],
    ["hr:Whatever", soap11("hr:Whatever"), { kind: "retry", mayHaveLanded: true }],
    ["NoSuchEmployee, configured as refused", soap11("hr:NoSuchEmployee"), { kind: "refused" }],
    ["Busy, configured as retry", soap11("Client.Busy"), { kind: "retry", mayHaveLanded: false }],
    ["FailedAuthentication", soap11("wsse:FailedAuthentication"), { kind: "retry", auth: true, mayHaveLanded: false }],
    ["MustUnderstand", soap11("soap:MustUnderstand"), { kind: "retry", code: "setup", mayHaveLanded: false }],
    ["Sender, in SOAP 1.2", soap12("soap:Sender"), { kind: "refused", answer: "no such employee" }],
    ["Receiver, in SOAP 1.2", soap12("soap:Receiver"), { kind: "retry", mayHaveLanded: true }],
    ["a subcode, in SOAP 1.2", soap12("soap:Receiver", "hr:NoSuchEmployee"), { kind: "refused" }],
    [
      "FailedAuthentication, in SOAP 1.2",
      soap12("soap:Sender", "wsse:FailedAuthentication"),
      { kind: "retry", auth: true, mayHaveLanded: false },
    ],
  ])("returns the right outcome for the fault %s", async (_, answer, wanted) => {
    fault = answer;
    const faults = { refused: ["NoSuchEmployee"], retry: ["Busy"] };

    const outcome = await connector.send(aChange({ flex_time: 16 }), contextFor(endpoint, { faults }));

    expect(outcome).toMatchObject(wanted);
    expect(outcome).not.toMatchObject({ reason: expect.stringContaining("no such employee") });
    expect(calls).toHaveLength(1);
  });

  test("asks for a retry if the service refuses the token", async () => {
    const wrong = { as: { ...secret, password: "wrong" } };
    const outcome = await connector.send(aChange({ flex_time: 16 }), contextFor(endpoint, {}, wrong));

    expect(outcome).toMatchObject({ kind: "retry" });
    expect(calls).toEqual([]);
  });

  test("the probe succeeds only if the service is reachable", async () => {
    expect(await connector.probe(contextFor(endpoint))).toBe(true);
    expect(await connector.probe(contextFor("http://127.0.0.1:1/x"))).toBe(false);
    expect(await connector.send(aChange({ flex_time: 1 }), contextFor("http://127.0.0.1:1/x"))).toMatchObject({
      kind: "retry",
      code: "no-answer",
      mayHaveLanded: false,
    });
  });

  test("loads the WSDL and its schema from the service once", async () => {
    const site = await aSite({
      "/hr/service.wsdl": readFileSync(wsdl, "utf8"),
      "/hr/legacy-hr.xsd": readFileSync(wsdl.replace(".wsdl", ".xsd"), "utf8"),
    });

    const context = contextFor(endpoint, { wsdl: `${site.url}/hr/service.wsdl` });
    for (let i = 0; i < 3; i++) {
      expect(await connector.send(aChange({ flex_time: 16 }), context)).toMatchObject({ kind: "delivered" });
    }

    expect(site.asked).toEqual(["/hr/service.wsdl", "/hr/legacy-hr.xsd"]);
  });
});

function soap11(faultcode: string): object {
  return { faultcode, faultstring: "no such employee", statusCode: 500 };
}

function soap12(value: string, subcode?: string): object {
  const Code = { Value: value, ...(subcode && { Subcode: { Value: subcode } }) };
  return { Code, Reason: { Text: "no such employee" }, statusCode: 500 };
}

describe("WSDL loading", () => {
  test.each<[string, (site: string, canary: string) => string]>([
    ["from another site", (_, canary) => `${canary}/types.xsd`],
    ["from the parent folder", () => "../types.xsd"],
    ["from another path of its site", () => "/types.xsd"],
    ["from a file", () => "file:///etc/passwd"],
    ["from an invalid address", () => "//["],
  ])("refuses a WSDL with an import %s", async (_, location) => {
    const canary = await aSite({});
    const site = await aSite({});
    site.files["/hr/service.wsdl"] = readFileSync(wsdl, "utf8").replace(
      "legacy-hr.xsd",
      location(site.url, canary.url),
    );

    const outcome = await connector.send(
      aChange({ flex_time: 1 }),
      contextFor(`${site.url}/hr/call`, { wsdl: `${site.url}/hr/service.wsdl`, probe: `${canary.url}/` }),
    );

    expect(outcome).toMatchObject({ kind: "retry", code: "setup", mayHaveLanded: false });
    expect(site.asked).toEqual(["/hr/service.wsdl"]);
    expect(canary.asked).toEqual([]);
  });

  test.each<[string, string]>([
    [
      "with a document type",
      `<!DOCTYPE x [<!ENTITY e "e">]>${readFileSync(wsdl, "utf8").replace(/^<\?xml.*?\?>/, "")}`,
    ],
    ["with an endless import", readFileSync(wsdl, "utf8").replace("legacy-hr.xsd", "more.xsd")],
    ["that is a web page", "<html><body>log in</body></html>"],
    ["that is cut off", readFileSync(wsdl, "utf8").slice(0, 1_500)],
    ["that is empty", ""],
    ["of 10 MB", "x".repeat(10_000_000)],
  ])("refuses a WSDL %s and reads it again on the next attempt", async (_, text) => {
    using folder = home({ "service.wsdl": text, "more.xsd": `<x><!DOCTYPE y></x>` });
    const context = contextFor("http://127.0.0.1:1/x", { wsdl: join(folder.path, "service.wsdl") });
    const begun = performance.now();

    const outcome = await connector.send(aChange({ flex_time: 1 }), context);

    expect(outcome).toMatchObject({ kind: "retry", code: "setup", mayHaveLanded: false });
    expect(performance.now() - begun).toBeLessThan(3_000);

    folder.write("service.wsdl", readFileSync(wsdl, "utf8"));
    folder.write("legacy-hr.xsd", readFileSync(wsdl.replace(".wsdl", ".xsd"), "utf8"));
    expect(await connector.send(aChange({ flex_time: 1 }), context)).toMatchObject({ code: "no-answer" });
  });

  test("refuses an import from outside the WSDL's folder", async () => {
    using folder = home({
      "service/service.wsdl": readFileSync(wsdl, "utf8").replace("legacy-hr.xsd", "%2e%2e%2flegacy-hr.xsd"),
      "legacy-hr.xsd": readFileSync(wsdl.replace(".wsdl", ".xsd"), "utf8"),
    });
    const context = contextFor("http://127.0.0.1:1/x", { wsdl: join(folder.path, "service/service.wsdl") });

    expect(await connector.send(aChange({ flex_time: 1 }), context)).toMatchObject({
      reason: expect.stringContaining("not beside it"),
    });
  });

  test("lists the available operations if the configured one is missing", async () => {
    const context = contextFor("http://127.0.0.1:1/x", { operation: "constructor" });

    expect(await connector.send(aChange({ flex_time: 1 }), context)).toMatchObject({
      kind: "retry",
      code: "setup",
      reason: "its WSDL has no operation constructor; it has RemoveEmployee, UpdateEmployee",
    });
  });
});

const envelope = (body: string) =>
  `<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>${body}</soap:Body></soap:Envelope>`;
const xml = { "content-type": "text/xml; charset=utf-8" };

/** Responses of a hostile or broken service, each with the expected outcome. */
const hostileAnswers: readonly [
  name: string,
  answer: (response: http.ServerResponse, canary: string) => void,
  wanted: object,
][] = [
  [
    "an XML bomb",
    (response) => {
      const lol = Array.from({ length: 9 }, (_, i) => `<!ENTITY l${i + 1} "${`&l${i};`.repeat(10)}">`).join("");
      response.writeHead(200, xml).end(`<!DOCTYPE l [<!ENTITY l0 "lol">${lol}]>${envelope("<r>&l9;</r>")}`);
    },
    { kind: "retry", mayHaveLanded: true },
  ],
  [
    "an external entity",
    (response, canary) => {
      response.writeHead(200, xml).end(`<!DOCTYPE x [<!ENTITY e SYSTEM "${canary}/">]>${envelope("<r>&e;</r>")}`);
    },
    { kind: "retry", mayHaveLanded: true },
  ],
  [
    "an external document type",
    (response, canary) => response.writeHead(200, xml).end(`<!DOCTYPE x SYSTEM "${canary}/x.dtd">${envelope("<r/>")}`),
    { kind: "retry", mayHaveLanded: true },
  ],
  [
    "an include and a stylesheet",
    (response, canary) => {
      const include = `<i:include xmlns:i="http://www.w3.org/2001/XInclude" href="${canary}/"/>`;
      response.writeHead(200, xml).end(`<?xml-stylesheet href="${canary}/x.xsl"?>${envelope(include)}`);
    },
    { kind: "delivered" },
  ],
  [
    "10 MB",
    (response) => response.writeHead(200, xml).end(envelope("x".repeat(10_000_000))),
    { kind: "retry", mayHaveLanded: true },
  ],
  [
    "a body that never ends",
    (response) => {
      response.writeHead(200, xml);
      const drip = setInterval(() => response.write(" "), 50);
      response.on("close", () => clearInterval(drip));
    },
    { kind: "retry", mayHaveLanded: true },
  ],
  ["nothing", () => {}, { kind: "retry", mayHaveLanded: true, code: "no-answer" }],
  ["a reset", (response) => response.socket?.resetAndDestroy(), { kind: "retry", mayHaveLanded: true }],
  [
    "UTF-16",
    (response) =>
      response
        .writeHead(200, { "content-type": "text/xml; charset=utf-16" })
        .end(Buffer.from(envelope("<r/>"), "utf16le")),
    { kind: "retry", mayHaveLanded: true },
  ],
  [
    "a document type hidden in UTF-16",
    (response) => response.writeHead(200, xml).end(Buffer.from(`\uFEFF<!DOCTYPE x>${envelope("<r/>")}`, "utf16le")),
    { kind: "retry", mayHaveLanded: true },
  ],
  [
    "200 with HTML",
    (response) => response.writeHead(200, { "content-type": "text/html" }).end("<html>log in</html>"),
    { kind: "retry" },
  ],
  [
    "200 with HTML that says it is XML",
    (response) => response.writeHead(200, xml).end("<html>log in</html>"),
    { kind: "retry" },
  ],
  [
    "200 with JSON",
    (response) => response.writeHead(200, { "content-type": "application/json" }).end("{}"),
    { kind: "retry" },
  ],
  ["200 without a body", (response) => response.writeHead(200, xml).end(), { kind: "retry", mayHaveLanded: true }],
  [
    "XML that is cut off",
    (response) => response.writeHead(200, xml).end(envelope("<r/>").slice(0, -20)),
    { kind: "retry", mayHaveLanded: true },
  ],
  [
    "two roots",
    (response) => response.writeHead(200, xml).end(envelope("<r/>").repeat(2)),
    { kind: "retry", mayHaveLanded: true },
  ],
  [
    "an envelope outside the SOAP namespace",
    (response) => response.writeHead(200, xml).end("<Envelope xmlns='x'><Body/></Envelope>"),
    { kind: "retry" },
  ],
  ["100,000 nested elements", (response) => response.writeHead(200, xml).end("<a>".repeat(100_000)), { kind: "retry" }],
  ["1 MB of text", (response) => response.writeHead(200, xml).end("x".repeat(1_000_000)), { kind: "retry" }],
  [
    "a prototype",
    (response) => response.writeHead(200, xml).end(envelope("<__proto__><polluted>1</polluted></__proto__>")),
    { kind: "delivered" },
  ],
  [
    "an attribute of 900 KB",
    (response) => response.writeHead(200, xml).end(envelope(`<r a="${"x".repeat(900_000)}"/>`)),
    {},
  ],
  ["401", (response) => response.writeHead(401).end(), { kind: "retry", auth: true, mayHaveLanded: false }],
  [
    "429",
    (response) => response.writeHead(429, { "retry-after": "3" }).end(),
    { kind: "retry", afterMs: 3_000, mayHaveLanded: false },
  ],
  [
    "503 with a page",
    (response) => response.writeHead(503, { "content-type": "text/html" }).end("<html>"),
    { kind: "retry", mayHaveLanded: true },
  ],
  [
    "500 with invalid XML",
    (response) => response.writeHead(500, xml).end("<a"),
    { kind: "retry", mayHaveLanded: true },
  ],
  [
    "404 with a page",
    (response) => response.writeHead(404, { "content-type": "text/html" }).end("<html>"),
    { kind: "refused" },
  ],
  [
    "a redirect",
    (response, canary) => response.writeHead(302, { location: canary }).end(),
    { kind: "retry", mayHaveLanded: false },
  ],
];

describe("SOAP responses", () => {
  const times: string[] = [];
  afterAll(() => console.log(`answer → outcome (ms)\n${times.join("\n")}`));

  test.each(hostileAnswers)(
    "returns the right outcome in time and follows no link for %s",
    async (name, answer, wanted) => {
      const canary = await aSite({});
      let calls = 0;
      const target = http.createServer((request, response) => {
        calls++;
        request.resume().on("end", () => answer(response, canary.url));
      });
      const url = await served(target);
      const context = contextFor(`${url}/call`, { probe: `${canary.url}/` });
      const begun = performance.now();

      const outcome = await connector.send(aChange({ flex_time: 16 }), context);

      const ms = performance.now() - begun;
      times.push(`${name} → ${outcome.kind}${"reason" in outcome ? `: ${outcome.reason}` : ""} (${ms.toFixed(0)})`);
      expect(outcome).toMatchObject(wanted);
      expect(ms).toBeLessThan(4_000);
      expect(calls).toBe(1);
      expect(canary.asked).toEqual([]);
      expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
    },
  );

  test("gives up if the attempt's signal aborts", async () => {
    let asked = false;
    const url = await served(
      http.createServer(() => {
        asked = true;
      }),
    );
    const over = new AbortController();

    const sending = connector.send(aChange({ flex_time: 16 }), contextFor(url, {}, { signal: over.signal }));
    await expect.poll(() => asked).toBe(true);
    over.abort();

    expect(await sending).toMatchObject({ kind: "retry", mayHaveLanded: true });
  });

  test("reads a fault under any prefix and ignores fault elements that are not SOAP faults", async () => {
    const fault = "<e:Fault><faultcode>e:Client</faultcode><faultstring><![CDATA[<no>]]></faultstring></e:Fault>";
    const withPrefix = `<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>${fault}</e:Body></e:Envelope>`;
    const deep = envelope("<r><Fault><faultcode>Client</faultcode></Fault></r>");

    expect(await parseResponse(withPrefix)).toEqual({ kind: "fault", codes: ["Client"], text: "<no>" });
    expect(await parseResponse(deep)).toEqual({ kind: "success" });
    expect(await parseResponse(envelope("<Fault><faultcode>Client</faultcode></Fault>"))).toEqual({ kind: "success" });
  });
});

describe("SOAP configuration", () => {
  const good = { endpoint: "https://hr.agency.example/soap", wsdl, operation: "UpdateEmployee", parts };

  test.each<[string, object]>([
    ["a stray key", { stray: 1 }],
    ["a part with an invalid element name", { parts: { "a><b": "x" } }],
    ["a part named $xml", { parts: { $xml: "x" } }],
    ["an invalid endpoint address", { endpoint: "here" }],
    ["an unknown SOAP version", { soap: "2.0" }],
  ])("rejects %s", (_, more) => {
    expect(connector.config.safeParse(good).success).toBe(true);
    expect(connector.config.safeParse({ ...good, ...more }).success).toBe(false);
  });
});

test("repeatable and non-repeatable operations use separate connectors", () => {
  expect([nonRepeatable.name, nonRepeatable.idempotent, connector.name, connector.idempotent]).toEqual([
    "SoapConnector",
    false,
    "SoapUpdateConnector",
    true,
  ]);
});

async function served(server: http.Server): Promise<string> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closing.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** HTTP site with some files, and the paths requested from it. */
async function aSite(files: Record<string, string>) {
  const asked: string[] = [];
  const url = await served(
    http.createServer((request, response) => {
      asked.push(request.url ?? "");
      const text = files[request.url ?? ""];
      response.writeHead(text === undefined ? 404 : 200, xml).end(text);
    }),
  );
  return { url, asked, files };
}
