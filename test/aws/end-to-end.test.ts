import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  AppConfigClient,
  BadRequestException,
  CreateHostedConfigurationVersionCommand,
  GetHostedConfigurationVersionCommand,
  ListHostedConfigurationVersionsCommand,
  StartDeploymentCommand,
} from "@aws-sdk/client-appconfig";
import { CloudWatchLogsClient, FilterLogEventsCommand } from "@aws-sdk/client-cloudwatch-logs";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { CreateBucketCommand, PutBucketVersioningCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { CreateSecretCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { GetParameterCommand, SSMClient } from "@aws-sdk/client-ssm";
import { DeleteCommand, DynamoDBDocumentClient, UpdateCommand } from "@aws-sdk/lib-dynamodb";
import { Webhook } from "standardwebhooks";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { changeHealth } from "../../bridge/delivery/circuit-breaker.ts";
import { startJob } from "../../bridge/jobs/job-runner.ts";
import { verifyLedger } from "../../bridge/ledger/verify.ts";
import { eventKey, type SourceEvent } from "../../bridge/model/event.ts";
import type { LedgerEntry } from "../../bridge/model/ledger-entry.ts";
import type { QueueName } from "../../bridge/ports/queue.ts";
import { listConnectorFiles } from "../../connectors/protocols/load-connectors.ts";
import { projectRoot } from "../../infra/bundle.ts";
import { deployable } from "../../infra/connector-config.ts";
import { readSettings } from "../../infra/settings.ts";
import { readAppConfigTargets } from "../../platform/aws/appconfig-targets.ts";
import { openLedgerCopy, openLedgerSeals } from "../../platform/aws/ledger-seals.ts";
import { ledgerObjects } from "../../platform/aws/names.ts";
import { keyOf } from "../../platform/aws/partiql.ts";
import { pad } from "../../platform/aws/sharded-index.ts";
import { openDeployedApi } from "../../platform/aws/signed-fetch.ts";
import { bridgeAs, bridge as cli, longRunning } from "../support/serve.ts";
import { type TargetServer, taken, targetServer } from "../support/target-server.ts";
import { type Driver, driverOf } from "./driver.ts";
import { percentile, readUnits, requestsOf, writeUnits } from "./figures.ts";
import { createUser, type IamUser } from "./iam-user.ts";
import { journalFiles, rosterPlace } from "./journal.ts";
import { type Listener, listenTo, type ReceivedAlert } from "./listener.ts";
import { neededCalls, ordersOf, recordedCallsFile } from "./recorded-calls.ts";
import { deployStage, type Stage } from "./stage.ts";

/** The deployed stacks, the committed sheets, and HTTP servers for payroll, GIS, HR and an audit office. */
const connectors = ["PayrollConnector@v1", "GISTableConnector@v1", "WorkForceNow@v1", "JournalConnector@v1"];

const files = await listConnectorFiles(join(projectRoot, "connectors"));
const own = deployable(
  files,
  readSettings(() => undefined),
).map(({ connector }) => connector);
const orders = ordersOf(own, { "JournalConnector-v1": "strict" });

/** Key with which payroll signs its webhooks. */
const payrollKey = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;

/** Looks like a social security number, which governance blocks and no log may contain. */
const planted = "078-05-1120";
const approver = "m.okafor@agency.example";

let payroll: TargetServer;
let gis: TargetServer;
let hr: TargetServer;
let journal: TargetServer;
let stage: Stage;
let bridge: Driver;
let listener: Listener;
let began: number;
/** Start of the outages. */
let outagesBegan: number;
const published: SourceEvent[] = [];
/** Number of further events: messages from outside systems, and the events converted from them. */
let inboundEvents = 0;

beforeAll(async () => {
  [payroll, gis, hr, journal] = await Promise.all([targetServer(), targetServer(), targetServer(), targetServer()]);
  stage = await deployStage({
    files: journalFiles,
    connectors: {
      PayrollConnector: { baseUrl: payroll.url },
      GISTableConnector: { baseUrl: gis.url },
      WorkForceNow: { baseUrl: hr.url },
      JournalConnector: { baseUrl: journal.url },
    },
    places: [rosterPlace],
    log: (line) => console.log(line),
  });
  const secrets = new SecretsManagerClient();
  const SecretString = JSON.stringify({ token: "the-journals-own" });
  await secrets.send(new CreateSecretCommand({ Name: "hms-bridge/JournalConnector", SecretString }));
  const signingSecret = JSON.stringify({ keys: [payrollKey] });
  const Name = "hms-bridge/PayrollConnector/inbound";
  await secrets.send(new CreateSecretCommand({ Name, SecretString: signingSecret }));
  const s3 = new S3Client();
  await s3.send(new CreateBucketCommand({ Bucket }));
  await s3.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: "Enabled" } }));
  bridge = await driverOf(stage, connectors);
  listener = await listenTo("hms-bridge");
  const { bootstrap, deploy } = stage.seconds;
  figures.push(["cdk bootstrap, cdk deploy --all", `${bootstrap.toFixed(1)} s, ${deploy.toFixed(1)} s`]);
  began = Date.now();
});

afterAll(async () => {
  console.log(["", ...figures.map(([label, value]) => `${label.padEnd(40)} ${value}`)].join("\n"));
  await stage?.[Symbol.asyncDispose]();
  await Promise.all([payroll, gis, hr, journal].map((target) => target?.close()));
});

/** Measurements of the run. With the emulator, request counts are a lower bound and times are only indicative. */
const figures: [label: string, value: string][] = [];

const inMs = (ms: number) => `${ms.toFixed(0)} ms`;

let events = 0;

/** Creates an event with a sequence, so that events of the same millisecond have an order. */
function anEvent(type: string, data: SourceEvent["data"]): SourceEvent {
  const sequence = ++events;
  return { id: `e-${sequence}`, source: "hms.policy", type, time: new Date().toISOString(), sequence, data };
}

function aRate(from: number, to: number): SourceEvent {
  return anEvent("policy.per_diem.updated", { new_rate: to, old_rate: from });
}

function aPolicy(id: string, teleworkHours: number | string): SourceEvent {
  const data = { id, category: "Telework", teleworkHours, effectiveDate: "2026-12-01T00:00:00Z" };
  return anEvent("PolicyApproved", { ...data, approverEmail: approver });
}

function aGrade(employee: string, grade: number): SourceEvent {
  return anEvent("grade.changed", { employee, grade });
}

const Bucket = new URL(rosterPlace).host;

/** Stores a file of JSON lines in the roster folder. @returns its URL */
async function storeFile(name: string, lines: readonly object[]): Promise<string> {
  const address = `${rosterPlace}${name}`;
  const Body = lines.map((line) => `${JSON.stringify(line)}\n`).join("");
  await new S3Client().send(new PutObjectCommand({ Bucket, Key: new URL(address).pathname.slice(1), Body }));
  return address;
}

async function publish(...batch: SourceEvent[]): Promise<void> {
  await bridge.publish(...batch);
  published.push(...batch);
}

async function eventually(condition: () => boolean | Promise<boolean>, everyMs = 25): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, everyMs));
}

const statusesOf = async (...of: SourceEvent[]) =>
  (await bridge.packetsOf(...of)).map(({ progress }) => progress.status);

/** Waits until every packet of these events is closed or held. */
const atRest = (...of: SourceEvent[]) =>
  eventually(async () => {
    const statuses = await statusesOf(...of);
    return statuses.length >= of.length && !statuses.some((status) => status === "QUEUED" || status === "RETRY");
  }, 100);

const bodiesAt = (target: TargetServer) => target.received.map(({ body }) => body as Record<string, unknown>);

/** Returns the ids with this prefix that HR received, repeats included. */
const idsAtHr = (prefix: string) =>
  bodiesAt(hr).flatMap(({ external_id: id }) => (String(id).startsWith(prefix) ? [String(id)] : []));

const eventOf = async (event: SourceEvent) => (await bridge.engine.store.read("event", [eventKey(event)]))[0]?.value;

describe("deployed bridge", () => {
  it.each(["GISTableConnector@v1", "JournalConnector@v1"])(
    "redrives messages that SQS itself moved to the outbox of %s although its target is up",
    async (connector) => {
      // First, because a probe records the health only of a target that no delivery has recorded yet.
      const { queue } = bridge.engine;
      const stranger = JSON.stringify({ id: "pkt-aaaaaaaaaaaaaaaa", shadow: "none" });
      await queue.send(`outbox:${connector}`, [{ group: "g", dedup: "d", body: stranger }]);

      await bridge.invoke(probeOf(connector));
      await changeHealth(bridge.engine, connector, (health) => ({ ...health, redriveAt: 0 }));
      await bridge.invoke(probeOf(connector));

      await eventually(async () => (await queue.depth(`outbox:${connector}`)).waiting === 0);
      await eventually(bridge.isQuiet);
    },
  );

  it("delivers only the mapped field of a raise to payroll and GIS with the committed per-diem sheet", async () => {
    const raise = aRate(62, 68);

    const at = performance.now();
    await publish(raise);
    await eventually(() => payroll.received.length > 0);
    figures.push(["first event, cold functions", `${inMs(performance.now() - at)} to payroll`]);
    await atRest(raise);

    expect(payroll.received).toMatchObject([{ method: "PATCH", path: "/v2/rates", body: { dailyRate: 68 } }]);
    expect(gis.received).toMatchObject([{ method: "PUT", path: /^\/tables\/rates\/rows\//, body: { perDiemUSD: 68 } }]);
    expect(await statusesOf(raise)).toEqual(["SENT", "SENT"]);
  });

  it("delivers an event published with bridge emit", async () => {
    const raise = aRate(68, 69);

    const { code, out } = await cli(projectRoot, "emit", "--stack", "hms-bridge", JSON.stringify(raise));
    published.push(raise);
    await atRest(raise);

    expect(out).toContain(`${eventKey(raise)} is on the bus of hms-bridge`);
    expect(code).toBe(0);
    expect(bodiesAt(payroll).at(-1)).toEqual({ dailyRate: 69 });
  });

  it("delivers approved telework policies, and no others, to HR with the committed telework sheet", async () => {
    const approved = aPolicy("policy_9ab34", 16);
    const travel = anEvent("PolicyApproved", { id: "policy_1", category: "Travel", teleworkHours: 8 });

    await publish(approved, travel);
    await atRest(approved);

    expect(bodiesAt(hr)).toEqual([
      { flex_time: 16, policy_start: "2026-12-01", last_modified_by: approver, external_id: "policy_9ab34" },
    ]);
    expect(await bridge.packetsOf(travel)).toEqual([]);
  });

  it("delivers a single event in less than a second and many events with few requests each", async () => {
    const arrived = new Map<string, number>();
    hr.answer = (request, response) => {
      arrived.set((request.body as { external_id: string }).external_id, performance.now());
      taken(request, response);
    };
    const latencies: number[] = [];
    for (let i = 0; i < 40; i++) {
      const began = performance.now();
      await publish(aPolicy(`single_${i}`, 8));
      await eventually(() => arrived.has(`single_${i}`));
      latencies.push((arrived.get(`single_${i}`) as number) - began);
    }
    await eventually(bridge.isQuiet);
    const before = stage.gateway.recorded.length;
    const linesBefore = stage.emulator.log.length;
    const many = Array.from({ length: 100 }, (_, i) => aPolicy(`many_${i}`, 8));

    await publish(...many);
    await eventually(() => many.every(({ data }) => arrived.has(data.id as string)));
    await atRest(...many);
    await eventually(bridge.isQuiet);

    const [p50, p95] = [percentile(latencies, 50), percentile(latencies, 95)];
    figures.push(["one event at a time, warm", `p50 ${inMs(p50)}, p95 ${inMs(p95)}, PutEvents to HR`]);
    figures.push([`${many.length} events at once, requests per event:`, ""]);
    const requests = requestsOf(stage.gateway.recorded.slice(before));
    for (const [operation, count] of [...requests].sort())
      figures.push([`  ${operation}`, (count / many.length).toFixed(2)]);
    const lines = stage.emulator.log.slice(linesBefore).filter((line) => line.startsWith("{"));
    const logged = lines.reduce((bytes, line) => bytes + Buffer.byteLength(line), 0) / many.length;
    const reads = readUnits(stage.gateway.recorded.slice(before)) / many.length;
    const units = writeUnits(stage.gateway.recorded, before);
    const each = (...kinds: string[]) => kinds.reduce((sum, kind) => sum + (units.get(kind) ?? 0), 0) / many.length;
    const [perPacket, perEvent] = [each("packet", "shadow", "pkt"), each("event", "sheet", "evt")];
    figures.push([
      "  write units, by item sizes",
      `${perPacket.toFixed(1)} per packet, ${perEvent.toFixed(1)} per event`,
    ]);
    figures.push(["  read units, by keys", reads.toFixed(1)], ["  bytes of log", logged.toFixed(0)]);
    expect(p95).toBeLessThan(1_000);
    expect(perPacket).toBeLessThanOrEqual(20);
    hr.answer = taken;
  });

  it("applies an event published three times once and counts the duplicates", async () => {
    const raise = aRate(68, 70);
    const before = (await bridge.engine.store.tally()).events.duplicates;

    await publish(raise, raise, raise);
    await atRest(raise);

    await eventually(async () => (await bridge.engine.store.tally()).events.duplicates === before + 2);
    expect(bodiesAt(payroll).filter(({ dailyRate }) => dailyRate === 70)).toHaveLength(1);
  });

  it("never sends an older value after a newer one while ten policies change concurrently", async () => {
    const ids = Array.from({ length: 10 }, (_, i) => `busy_${i}`);
    const changes = [1, 2, 3, 4].flatMap((hours) => ids.map((id) => aPolicy(id, hours)));

    await publish(...changes);
    await atRest(...changes);

    for (const id of ids) {
      const seen = bodiesAt(hr).flatMap(({ external_id, flex_time }) =>
        external_id === id ? [Number(flex_time)] : [],
      );
      expect(seen).toEqual(seen.toSorted((a, b) => a - b));
      expect(seen.at(-1)).toBe(4);
    }
  });

  it("keeps the order of a strict lane during target errors, and authenticates with the connector's secret", async () => {
    const [first, second, third] = [7, 8, 9].map((grade) => aGrade("emp-1", grade)) as [
      SourceEvent,
      SourceEvent,
      SourceEvent,
    ];
    let refusals = 2;
    journal.answer = (request, response) => {
      // Nothing else says that the target did not act on the request.
      if (refusals-- > 0) response.writeHead(429).end();
      else taken(request, response);
    };

    // The event with the second sequence is published first and must be overtaken by the first.
    await publish(second);
    await eventually(() => journal.received.length > 0);
    await publish(first, third);
    await atRest(first, second, third);

    const accepted = journal.received.slice(2).map(({ body }) => (body as { grade: number }).grade);
    expect(accepted).toEqual([7, 8, 9]);
    expect(journal.received.at(-1)?.headers.authorization).toBe("Bearer the-journals-own");
    expect(await statusesOf(first, second, third)).toEqual(["SENT", "SENT", "SENT"]);
  });

  it("holds a packet that its target rejects and delivers the others", async () => {
    hr.answer = (request, response) => {
      const { external_id: id } = request.body as { external_id: string };
      if (id === "poison") response.writeHead(422).end(`{"error":"unknown policy"}`);
      else taken(request, response);
    };
    const poison = aPolicy("poison", 1);
    const others = ["fine_1", "fine_2", "fine_3"].map((id) => aPolicy(id, 1));

    await publish(poison, ...others);
    await atRest(poison, ...others);

    expect(await statusesOf(poison)).toEqual(["HELD"]);
    expect(await statusesOf(...others)).toEqual(["SENT", "SENT", "SENT"]);
    expect(bodiesAt(hr).filter(({ external_id }) => external_id === "poison")).toHaveLength(1);
    hr.answer = taken;
  });

  it("shows held packets to an operator, sends an edited one, and records the operator's ARN in the ledger", async () => {
    const [held] = (await bridge.callApi("GET", "/api/packets?status=HELD&text=poison")).body.items;
    const story = (await bridge.callApi("GET", `/api/packets/${held.id}`)).body;
    const fields = Object.fromEntries(
      story.fields.map(({ name, value }: { name: string; value: unknown }) => [name, value]),
    );

    const edit = { etag: story.etag, fields: { ...fields, flex_time: 2 }, reason: "HR asked for it" };
    const edited = await bridge.callApi("POST", `/api/packets/${held.id}/edit`, edit);
    const late = await bridge.callApi("POST", `/api/packets/${held.id}/edit`, edit);
    await eventually(() =>
      bodiesAt(hr).some(({ external_id: id, flex_time: hours }) => id === "poison" && hours === 2),
    );
    await eventually(bridge.isQuiet);

    expect(story).toMatchObject({ status: "HELD", answer: expect.stringContaining("unknown policy") });
    expect(edited).toMatchObject({ status: 200, body: { kind: "done", packet: { replaces: held.id } } });
    expect(late).toMatchObject({ status: 409, body: { now: { packet: { status: "SUPERSEDED" } } } });
    const after = (await bridge.callApi("GET", `/api/packets/${edited.body.packet.id}`)).body;
    expect(after.status).toBe("SENT");
    expect(after.story[0]).toMatchObject({ actor: bridge.operator.arn });
  });

  it("lets an operator pause, resume and probe a target and see its health", async () => {
    const connector = "/api/connectors/PayrollConnector";
    const [other] = connectors.filter((id) => id.startsWith("Journal"));

    const paused = await bridge.callApi("POST", `${connector}/pause`, { reason: "payroll closes its books" });
    const raise = aRate(70, 69);
    await publish(raise);
    await eventually(async () => (await bridge.callApi("GET", connector)).body.outbox > 0);
    const seen = (await bridge.callApi("GET", "/api/connectors")).body.items;
    const resumed = await bridge.callApi("POST", `${connector}/resume`, { reason: "they are closed" });
    for (const id of connectors) {
      expect((await bridge.callApi("POST", `/api/connectors/${id}/probe`)).body).toEqual({
        connector: id,
        awake: true,
      });
    }
    await atRest(raise);

    expect([paused.body, resumed.body]).toMatchObject([
      { changed: true, paused: true },
      { changed: true, paused: false },
    ]);
    expect(seen).toContainEqual(expect.objectContaining({ id: "PayrollConnector@v1", health: "PAUSED" }));
    expect(seen).toContainEqual(expect.objectContaining({ id: other, order: "strict", health: "UP" }));
    const noted = (await bridge.callApi("GET", "/api/events?type=sync.connector.paused")).body.items;
    expect(noted).toMatchObject([{ source: "hms.bridge", status: "NOTED" }]);
  });

  it("delivers the next packet of a strict lane after an operator discards its held head", async () => {
    journal.answer = (request, response) => {
      if ((request.body as { grade?: number } | undefined)?.grade === 1) response.writeHead(422).end();
      else taken(request, response);
    };
    const [head, next] = [aGrade("emp-held", 1), aGrade("emp-held", 2)] as [SourceEvent, SourceEvent];
    await publish(head);
    await atRest(head);
    await publish(next);
    await eventually(async () => (await bridge.packetsOf(next))[0]?.progress.place === "behind");
    const [held] = await bridge.packetsOf(head);

    const discarded = await bridge.callApi("POST", `/api/packets/${held?.packet.id}/discard`, {
      reason: "entered by mistake",
    });
    await eventually(async () => (await statusesOf(next))[0] === "SENT");

    expect(discarded.body).toMatchObject({ packet: { status: "DISCARDED" } });
    journal.answer = taken;
  });

  it("runs operator commands with the operator's own credentials and records the operator in the ledger", async () => {
    const asJo = (...args: string[]) => bridgeAs(bridge.operator.env, projectRoot, ...args, "--stack", "hms-bridge");
    hr.answer = (request, response) => {
      if ((request.body as { flex_time?: number } | undefined)?.flex_time === 99) response.writeHead(422).end();
      else taken(request, response);
    };
    const wrong = aPolicy("by_hand", 99);
    await publish(wrong);
    await atRest(wrong);
    const id = (await bridge.packetsOf(wrong))[0]?.packet.id ?? "";

    const listed = await asJo("outbox", "--status", "HELD", "--text", "by_hand", "--json");
    const overview = await asJo("connectors");
    const awake = await asJo("probe", "WorkForceNow");
    const released = await asJo("release", id, "--reason", "HR says it is right");
    await atRest(wrong);
    const edit = ["--set", "flex_time=9", "--reason", "HR says it is wrong", "--yes", "--json"];
    const edited = await asJo("edit", id, ...edit);
    const again = JSON.parse(edited.out).packet?.id ?? JSON.parse(edited.out).id;
    await eventually(
      async () => (await bridge.engine.store.read("packet", [again]))[0]?.value.progress.status === "SENT",
    );
    const explained = await asJo("explain", id);

    expect(JSON.parse(listed.out)).toMatchObject([{ id, status: "HELD" }]);
    expect(overview.out).toMatch(/WorkForceNow@v1 +UP/);
    expect(awake).toMatchObject({ code: 0, out: "WorkForceNow@v1 is up\n" });
    expect([released.code, edited.code]).toEqual([0, 0]);
    expect(
      bodiesAt(hr)
        .filter(({ external_id: of }) => of === "by_hand")
        .map(({ flex_time: hours }) => hours),
    ).toEqual([99, 99, 9]);
    expect(explained.out).toContain("HR says it is right");
    const operations = (await bridge.engine.store.chain(id)).filter(({ facts }) => facts.actor !== undefined);
    expect(new Set(operations.map(({ facts }) => facts.actor))).toEqual(new Set([bridge.operator.arn]));
    hr.answer = taken;
  });

  it("rejects unsigned and unauthorized requests at IAM before invoking a function", async () => {
    const [viewer, stranger] = await Promise.all([createUser("viewer", "hms-bridge-viewer"), createUser("stranger")]);
    const pause = ["connectors", "pause", "GISTableConnector", "--reason", "x", "--stack", "hms-bridge"];
    const url = await apiUrl("ops-url");
    const before = (await bridge.callApi("GET", "/api/events?type=sync.connector.paused")).body.items.length;

    const unsigned = await Promise.all([
      fetch(`${url}api/me`),
      fetch(`${url}openapi.json`),
      fetch(`${url}api/connectors/GISTableConnector/pause`, { method: "POST", body: `{"reason":"x"}` }),
    ]);
    const viewed = await bridgeAs(viewer.env, projectRoot, "connectors", "--stack", "hms-bridge");
    const changed = await bridgeAs(viewer.env, projectRoot, ...pause);
    const unauthorized = await bridgeAs(stranger.env, projectRoot, ...pause);
    // Also with a known URL, since looking it up in Parameter Store needs a permission too.
    const signed = await openDeployedApi("hms-bridge", signingAs(stranger.credentials, url));

    expect(unsigned.map(({ status }) => status)).toEqual([403, 403, 403]);
    expect(viewed).toMatchObject({ code: 0, out: expect.stringContaining("GISTableConnector@v1") });
    expect(changed).toMatchObject({ code: 3, err: expect.stringContaining("do not permit this operation") });
    expect(unauthorized).toMatchObject({ code: 3, err: expect.stringContaining("not authorized") });
    for (const path of ["/api/me", "/api/packets", "/openapi.json"]) {
      expect((await signed(path, { method: "GET", headers: {} })).status).toBe(403);
    }
    expect((await bridge.callApi("GET", "/api/events?type=sync.connector.paused")).body.items).toHaveLength(before);
  });

  it("serves the console locally and forwards its requests with the credentials of the user who started it", async () => {
    await using console = longRunning(bridge.operator.env, projectRoot, "console", "--stack", "hms-bridge");
    const link = new URL(/http\S+/.exec(await console.first)?.[0] ?? "");
    const authorization = `Bearer ${link.hash.replace("#token=", "")}`;
    const ask = (path: string, headers: Record<string, string> = { authorization }) =>
      fetch(new URL(path, link), { headers });

    const me = await ask("/api/me");
    const packets = await ask("/api/packets?status=SENT&limit=5");
    const without = await ask("/api/me", {});
    const page = await ask("/", {});

    expect(await me.json()).toMatchObject({ actor: bridge.operator.arn, host: "aws" });
    expect(((await packets.json()) as { items: unknown[] }).items).toHaveLength(5);
    expect(without.status).toBe(401);
    expect([page.status, page.headers.get("content-type")]).toEqual([200, expect.stringContaining("text/html")]);
  });

  it("discards the held heads of strict lanes in one job and delivers the packets behind them", async () => {
    journal.answer = (request, response) => {
      if ((request.body as { grade?: number } | undefined)?.grade === 3) response.writeHead(422).end();
      else taken(request, response);
    };
    const employees = ["emp-bulk-1", "emp-bulk-2", "emp-bulk-3"];
    const heads = employees.map((employee) => aGrade(employee, 3));
    await publish(...heads);
    await atRest(...heads);
    const behind = employees.map((employee) => aGrade(employee, 4));
    await publish(...behind);
    await eventually(async () =>
      (await bridge.packetsOf(...behind)).every(({ progress }) => progress.place === "behind"),
    );

    const all = ["discard", "--all", "--connector", "JournalConnector", "--reason", "entered by mistake", "--yes"];
    const discarding = bridgeAs(bridge.operator.env, projectRoot, ...all, "--stack", "hms-bridge");
    await eventually(async () => {
      await bridge.invoke("watchdog");
      return (await statusesOf(...heads)).every((status) => status === "DISCARDED");
    }, 250);
    await atRest(...behind);

    expect(await discarding).toMatchObject({ code: 0, out: expect.stringContaining("3 packets discarded") });
    expect(new Set(await statusesOf(...behind))).toEqual(new Set(["SENT"]));
    const [held] = await bridge.packetsOf(...heads);
    const last = (await bridge.engine.store.chain(held?.packet.id ?? "")).at(-1);
    expect(last?.facts).toMatchObject({ actor: bridge.operator.arn, why: "entered by mistake" });
    journal.answer = taken;
  });

  it("holds a packet with personal data that governance blocks, even after a replay", async () => {
    const leak = aPolicy("policy_leak", `call ${planted}`);

    await publish(leak);
    await atRest(leak);

    const [held] = await bridge.packetsOf(leak);
    const replay = { reason: "it may be allowed today", sheet: "current" };
    const replayed = await bridge.callApi("POST", `/api/packets/${held?.packet.id}/replay`, replay);

    expect(replayed.body).toMatchObject({ kind: "done", packet: { status: "HELD" } });
    expect(await statusesOf(leak)).toEqual(["SUPERSEDED", "HELD"]);
    expect(JSON.stringify(bodiesAt(hr))).not.toContain(planted);
  });

  it("accepts payroll's signed webhook, delivers it to the other targets, and does not send it back", async () => {
    const url = `${await apiUrl("inbound-url")}inbound/PayrollConnector`;
    const send = async (body: string, { id = "msg-1", key = payrollKey, to = url } = {}) => {
      const at = new Date();
      const headers = {
        "content-type": "application/json",
        "webhook-id": id,
        "webhook-timestamp": String(Math.floor(at.getTime() / 1_000)),
        "webhook-signature": new Webhook(key).sign(id, at, body),
      };
      return (await fetch(to, { method: "POST", headers, body })).status;
    };
    const correction = JSON.stringify({ kind: "rate", dailyRate: 81 });
    const before = payroll.received.length;
    const at = performance.now();

    const accepted = await send(correction);
    inboundEvents += 2;
    await eventually(() => bodiesAt(gis).some(({ perDiemUSD }) => perDiemUSD === 81));
    figures.push(["a webhook, cold function", `${inMs(performance.now() - at)} from payroll's call to GIS`]);
    await eventually(bridge.isQuiet);
    const again = await send(correction);
    const refused = await Promise.all([
      send(correction, { id: "msg-2", key: `whsec_${Buffer.alloc(32, 8).toString("base64")}` }),
      send(correction, { id: "msg-3", to: url.replace("Payroll", "GISTable") }),
      send(correction, { id: "msg-4", to: url.replace("Payroll", "Nobody") }),
      fetch(url, { method: "POST", body: correction }).then(({ status }) => status),
      fetch(url).then(({ status }) => status),
    ]);
    const [noObject, tooLarge] = [
      await send("[1]", { id: "msg-5" }),
      await send(`"${"a".repeat(262_144)}"`, { id: "msg-6" }),
    ];

    expect([accepted, again, noObject, tooLarge]).toEqual([202, 200, 400, 413]);
    expect(refused).toEqual([401, 401, 401, 401, 404]);
    await eventually(bridge.isQuiet);
    expect(payroll.received).toHaveLength(before);
    const ofRate = (await bridge.callApi("GET", "/api/packets?status=UNCHANGED&connector=PayrollConnector")).body.items;
    expect(ofRate[0]).toMatchObject({ status: "UNCHANGED", connector: "PayrollConnector@v1" });
  });

  it("polls a system for new messages and processes each once", async () => {
    const news = [{ id: "n-1", at: Date.now(), data: { policy: "from_journal", hours: 7, from: "2026-12-01" } }];
    let deleted = 0;
    journal.answer = (request, response) => {
      if (request.path === "/news" && request.method === "DELETE") deleted += news.splice(0).length;
      if (request.path === "/news" && request.method === "GET") response.end(JSON.stringify(news));
      else taken(request, response);
    };

    await changeHealth(bridge.engine, "JournalConnector@v1", (health) => ({ ...health, polledAt: 0 }));
    await bridge.invoke(probeOf("JournalConnector@v1"));
    await eventually(() => idsAtHr("from_journal").length > 0);
    inboundEvents += 2;

    expect(deleted).toBe(1);
    expect(idsAtHr("from_journal")).toHaveLength(1);
    journal.answer = taken;
  });

  it("notifies HMS-OPS on the bus and the topic when a window is breached and when it is kept again", async () => {
    const connector = "JournalConnector@v1";
    const ofWindow = async () =>
      (await listener.received()).topic.filter(
        ({ detail }) => detail.subject === connector && /window/.test(detail.type),
      );
    const change = "/api/connectors/JournalConnector";
    await bridge.callApi("POST", `${change}/pause`, { reason: "the office is closed" });
    const late = aGrade("emp-late", 5);
    await publish(late);
    await eventually(async () => {
      await bridge.invoke("watchdog");
      return (await ofWindow()).at(-1)?.detail.type === "sync.window.breached";
    }, 250);
    await bridge.callApi("POST", `${change}/resume`, { reason: "it is open again" });
    await bridge.invoke(probeOf(connector));
    await atRest(late);
    await eventually(async () => {
      await bridge.invoke("watchdog");
      return (await ofWindow()).at(-1)?.detail.type === "sync.window.kept";
    }, 250);

    const alerts = await ofWindow();
    expect(alerts.at(-2)).toMatchObject({
      source: "hms-sync-bridge/hms-bridge",
      "detail-type": "sync.window.breached",
      detail: { specversion: "1.0", type: "sync.window.breached", subject: connector, data: { packets: 1 } },
    });
    const ids = alerts.map(({ detail }) => detail.id);
    expect((await listener.received()).bus.map(({ detail }) => detail.id)).toEqual(expect.arrayContaining(ids));
  });

  it("quarantines an invalid event", async () => {
    const before = (await bridge.engine.store.tally()).events.QUARANTINED;
    const invalid = { ...aRate(70, 71), time: "tomorrow" };

    await bridge.engine.queue.send("inbox", [{ group: "x", body: JSON.stringify(invalid) }]);

    await eventually(async () => (await bridge.engine.store.tally()).events.QUARANTINED === before + 1);
    published.push(invalid);
  });

  it("copies the entries of a ledger stream event to the bucket", async () => {
    const { items } = await bridge.engine.store.ledger({ limit: 1_000 });
    const copier = stage.functions.find(({ name }) => name.endsWith("ledger-copy"))?.accessKey;
    // The emulator's streams are silent about PartiQL; if this fails, the streams report PartiQL changes themselves.
    expect(stage.gateway.recorded.filter(({ accessKey }) => accessKey === copier)).toEqual([]);

    await bridge.invoke("ledger-copy", streamOf(items));

    const { bucket } = openLedgerCopy(stage.parameters["ledger-bucket"] ?? "");
    const [copy = ""] = await bucket.list(ledgerObjects.entries, "");
    expect((await bucket.get(copy)).trim().split("\n")).toHaveLength(items.length);
  });

  it("retries an event whose packets could not be recorded at first", async () => {
    let delayed = false;
    stage.gateway.fault = ({ operation }) => {
      delayed ||= operation === "sqs.ChangeMessageVisibilityBatch";
      // Not throttling, which the SDK itself would retry.
      return operation === "dynamodb.ExecuteTransaction" && !delayed ? "ValidationException" : undefined;
    };
    const raise = aRate(70, 72);

    await publish(raise);
    await atRest(raise);

    expect(delayed).toBe(true);
    expect(bodiesAt(payroll).at(-1)).toEqual({ dailyRate: 72 });
    stage.gateway.fault = undefined;
  });

  it.each([
    {
      name: "HR",
      connector: "WorkForceNow-v1",
      target: () => hr,
      change: aPolicy,
      field: "flex_time",
      id: "external_id",
      // Triggers the schedule with the emulator's clock.
      nextMinute: () => stage.emulator.advance(aMinuteMs),
    },
    {
      name: "the journal",
      connector: "JournalConnector-v1",
      target: () => journal,
      change: aGrade,
      field: "grade",
      id: "subject_ref",
      nextMinute: (connector: string) => bridge.invoke(probeOf(connector)),
    },
  ])(
    "parks packets while $name is down and delivers them in order once a probe succeeds",
    async ({ connector, target, change, field, id, nextMinute }) => {
      const connectorId = connector.replace("-", "@");
      const outbox = () => bridge.engine.queue.depth(`outbox:${connectorId}`);
      const ids = Array.from({ length: outagePackets }, (_, i) => `${connector}_outage_${i}`);
      outagesBegan ??= Date.now();
      await target().stop();
      const changes = [...ids.map((each) => change(each, 1)), ...ids.slice(0, 3).map((each) => change(each, 2))];
      await publish(...changes);
      await eventually(async () => (await outbox()).waiting >= ids.length && (await bridge.isQuiet()));
      expect(new Set(await statusesOf(...changes))).toEqual(new Set(["QUEUED"]));

      await target().restart();
      const before = target().received.length;
      await makeProbeDue(connectorId);
      await nextMinute(connectorId);
      await eventually(() => target().received.length > before);
      // The next probe speeds up the redrive: it ends the running move and starts another.
      await bridge.invoke(probeOf(connectorId));
      await atRest(...changes);

      expect(await outbox()).toEqual({ waiting: 0, inFlight: 0 });
      for (const each of ids.slice(0, 3)) {
        const seen = bodiesAt(target())
          .slice(before)
          .flatMap((body) => (body[id] === each ? [body[field]] : []));
        expect(seen.at(-1)).toBe(2);
        expect(seen).toEqual(seen.toSorted());
      }
    },
  );

  it("replays a time window as a watchdog job without sending values the targets already hold", async () => {
    await eventually(bridge.isQuiet);
    const calls = hr.received.length + payroll.received.length + gis.received.length;
    const request = { from: began, to: outagesBegan };

    const job = await startJob(bridge.engine, { kind: "replay", request, actor: "the suite" });
    await eventually(async () => {
      await bridge.invoke("watchdog");
      return (await bridge.engine.store.read("job", [job.id]))[0]?.value.status === "DONE";
    });
    await eventually(bridge.isQuiet);
    // The next invocation clears the marks of unsent packets.
    await bridge.invoke("watchdog");
    for (const connector of connectors) expect(await bridge.engine.store.unsent(connector, 10)).toEqual([]);

    expect((await bridge.engine.store.read("job", [job.id]))[0]?.value.made).toBeGreaterThanOrEqual(2);
    expect(hr.received.length + payroll.received.length + gis.received.length).toBe(calls);
  });

  it("puts packets back whose messages were deleted from their queues", async () => {
    const lost = [
      { connector: "WorkForceNow@v1", change: aPolicy("hr_lost", 3), isSent: () => idsAtHr("hr_lost").length > 0 },
      {
        connector: "JournalConnector@v1",
        change: aGrade("emp-lost", 3),
        isSent: () => bodiesAt(journal).some((body) => body?.subject_ref === "emp-lost"),
      },
    ] as const;
    for (const { connector } of lost) await setPaused(connector, true);
    await publish(...lost.map(({ change }) => change));
    for (const { connector, change, isSent } of lost) {
      await eventually(async () => (await bridge.engine.queue.depth(`outbox:${connector}`)).waiting > 0);
      await deleteMessages(`outbox:${connector}`);
      await setPaused(connector, false);
      await makeOld(change);
      await bridge.invoke("watchdog");
      await eventually(isSent);
    }
    await atRest(...lost.map(({ change }) => change));
  });

  it("expands a roster of 1,100 employees in chunks, each lane of a strict target before later events", async () => {
    const employees = Array.from({ length: 1_100 }, (_, i) => ({
      number: `staff_${i}`,
      ...(i % 100 === 0 && { hours: 4 }),
      ...(i === 1_050 && { grade: 7 }),
    }));
    const roster = anEvent("roster.published", { employees });
    const promotion = aGrade("staff_1050", 8);

    // The packets of the roster cannot be recorded until the later event waits for them.
    const isRecording = /^\{"TransactStatements":\[\{"Statement":"INSERT.*pkt-/s;
    stage.gateway.fault = ({ input }) =>
      input.includes(eventKey(roster)) && isRecording.test(input) ? "ValidationException" : undefined;
    await publish(roster);
    await eventually(async () => (await eventOf(roster)) !== undefined);
    await publish(promotion);
    await eventually(async () => (await bridge.packetsOf(promotion))[0]?.progress.behind === eventKey(roster));
    stage.gateway.fault = undefined;
    await eventually(async () => (await bridge.packetsOf(roster)).length === 12, 250);
    await atRest(roster, promotion);

    expect(bodiesAt(journal).slice(-2)).toEqual([{ grade: 7 }, { subject_ref: "staff_1050", grade: 8 }]);
    expect(idsAtHr("staff_").toSorted()).toEqual(
      employees.flatMap(({ number, hours }) => (hours ? [number] : [])).toSorted(),
    );
    await eventually(async () => (await eventOf(roster))?.status === "EXPANDED");
  });

  it("delivers a telework approval for each employee with hours in a roster of 1,200 lines in S3", async () => {
    // Only some have hours, because the emulator would take minutes for all 1,200.
    const roster = Array.from({ length: 1_200 }, (_, i) => ({
      employeeId: `remote_${i}`,
      ...(i % 10 === 0 && { teleworkHours: 12 }),
    }));
    const withHours = roster.flatMap(({ employeeId, teleworkHours }) => (teleworkHours ? [employeeId] : []));
    const approval = anEvent("TeleworkApproved", { rosterUri: await storeFile("may.ndjson", roster) });
    const at = performance.now();

    await publish(approval);
    await eventually(() => idsAtHr("remote_").length >= withHours.length);
    const seconds = (performance.now() - at) / 1_000;
    figures.push(["120 packets of 1,200 lines in S3", `${seconds.toFixed(1)} s, PutEvents to the last one at HR`]);
    await eventually(bridge.isQuiet);

    expect(idsAtHr("remote_").toSorted()).toEqual(withHours.toSorted());
    expect(new Set(await statusesOf(approval))).toEqual(new Set(["SENT"]));
    expect((await eventOf(approval))?.status).toBe("EXPANDED");
  });

  it("backfills a snapshot in S3 as a watchdog job, including an event with a roster file", async () => {
    const roster = ["late_1", "late_2", "late_3"].map((employeeId) => ({ employeeId, teleworkHours: 3 }));
    const approval = anEvent("TeleworkApproved", { rosterUri: await storeFile("april.ndjson", roster) });
    const lines = [approval, aPolicy("late_4", 5), aPolicy("late_5", 6)];
    const from = { file: await storeFile("snapshot.ndjson", lines) };
    const targets = ["telework.hr", "telework_roster.hr"];

    const dryRun = (await bridge.callApi("POST", "/api/backfills", { targets, from, dryRun: true })).body;
    // A low rate makes the job take more than one page.
    const { job } = (await bridge.callApi("POST", "/api/backfills", { targets, from, perSecond: 2 })).body;
    published.push(...lines);
    expect(dryRun).toMatchObject({ looked: 3, malformed: { lines: 0 } });
    await eventually(async () => {
      await bridge.invoke("watchdog");
      return (await bridge.engine.store.read("job", [job.id]))[0]?.value.status === "DONE";
    });
    await eventually(() => idsAtHr("late_").length >= 5);
    await eventually(bridge.isQuiet);

    expect(idsAtHr("late_").toSorted()).toEqual(["late_1", "late_2", "late_3", "late_4", "late_5"]);
  });

  it("maps with a newly deployed sheet without deploying functions", async () => {
    const sheet = readFileSync("mappings/telework.yaml", "utf8").replaceAll("flex_time", "flex_hours");

    await stage.deploySheets("mappings/telework.yaml", sheet);
    await eventually(async () => {
      const policy = aPolicy(`deployed_${events}`, 9);
      await publish(policy);
      await atRest(policy);
      return bodiesAt(hr).some(({ flex_hours: hours }) => hours === 9);
    });
  });

  it("rejects an invalid sheet in the command and in the deployed validator", async () => {
    const invalid = readFileSync("mappings/telework.yaml", "utf8").replace("flex_time: 16", "flex_time: 17");

    await expect(stage.deploySheets("mappings/telework.yaml", invalid)).rejects.toThrow(/telework\.yaml.*expected/s);
    // Bypasses the command's own check.
    const deployment = deployBundle((bundle) => bundle.replace('"flex_hours":16', '"flex_hours":17'));

    await expect(deployment).rejects.toThrow(BadRequestException);
    await expect(deployment).rejects.toThrow(/telework\.yaml.*an approved telework policy/s);
  });

  it("has a ledger that verifies, and accounts for every event and packet", async () => {
    await eventually(bridge.isQuiet);

    expect(await verifyLedger(bridge.engine)).not.toHaveProperty("fault");
    const { events, packets } = await bridge.engine.store.tally();
    const { duplicates, NOTED: _, ...byStatus } = events;
    const sum = (counts: Readonly<Record<string, number>>) => Object.values(counts).reduce((a, b) => a + b, 0);
    expect(sum(byStatus) + duplicates).toBe(published.length + inboundEvents);
    const recorded = (await bridge.engine.store.packets({ limit: 10_000 })).items;
    expect(sum(packets)).toBe(recorded.length);
    expect(packets.QUEUED + packets.RETRY).toBe(0);
  });

  // A copy is sealed only after 90 s.
  it("seals the ledger's copies and verifies the ledger against the seals", { timeout: 150_000 }, async () => {
    const { "ledger-bucket": bucket = "", "seal-key": sealKey = "" } = stage.parameters;
    const evidence = await openLedgerSeals(bucket, sealKey);

    await eventually(async () => {
      await bridge.invoke("ledger-seal");
      return (await evidence.seals.last())?.text.includes("pkt-") === true;
    }, 2_000);
    // The next run finds nothing more to seal.
    await bridge.invoke("ledger-seal");

    expect(await verifyLedger(bridge.engine, { evidence })).not.toHaveProperty("fault");
  });

  it("raises an alarm if an entry is removed from the ledger table", async () => {
    const [entry] = (await bridge.engine.store.ledger({ limit: 1 })).items;
    const Key = { pk: entry?.chain, sk: entry?.seq };

    const dynamo = DynamoDBDocumentClient.from(new DynamoDBClient());
    await dynamo.send(new DeleteCommand({ TableName: stage.parameters["ledger-table"], Key }));

    await eventually(() => stage.emulator.log.some((line) => line.includes("ledger-tampered")), 250);
  });

  it("sends each alert once to the bus and the topic and never processes its own alerts as events", async () => {
    const ids = (alerts: readonly ReceivedAlert[]) => alerts.map(({ detail }) => detail.id).toSorted();
    let all = await listener.received();
    await eventually(async () => {
      all = await listener.received();
      return (
        all.topic.length === all.bus.length && all.bus.some(({ detail }) => detail.type === "sync.ledger.tampered")
      );
    }, 250);

    const types = [...new Set(all.bus.map((alert) => alert["detail-type"]))];
    expect(types.sort()).toEqual([
      "sync.event.quarantined",
      "sync.ledger.tampered",
      "sync.packet.held",
      "sync.target.down",
      "sync.target.recovered",
      "sync.window.breached",
      "sync.window.kept",
    ]);
    expect(ids(all.topic)).toEqual(ids(all.bus));
    expect(new Set(ids(all.bus)).size).toBe(all.bus.length);
    const replaced = (await bridge.packetsOf(...published)).filter(({ progress }) => progress.replacedBy !== undefined);
    expect(replaced.map(({ packet }) => packet.entity).sort()).toEqual(["by_hand", "poison", "policy_leak"]);
    const poison = replaced.find(({ packet }) => packet.entity === "poison");
    expect(all.bus.filter(({ detail }) => detail.data.packet === poison?.packet.id)).toHaveLength(1);
    for (const value of [planted, approver, "dailyRate"]) expect(JSON.stringify(all)).not.toContain(value);
    const { body } = await bridge.callApi("GET", "/api/events?type=sync.packet.held");
    expect(body.items).toEqual([]);
    figures.push(["alerts sent", `${all.bus.length}`]);
  });

  it("writes a log in every function without personal data, values or secrets", async () => {
    const logs = new CloudWatchLogsClient();
    let everything = stage.emulator.log.join("\n");
    const silent: string[] = [];
    for (const { name } of stage.functions) {
      const logGroupName = `/aws/lambda/${name}`;
      const { events: lines = [] } = await logs.send(new FilterLogEventsCommand({ logGroupName }));
      if (lines.length === 0) silent.push(name);
      everything += lines.map(({ message }) => message).join("\n");
    }

    // No sheet of this deployment uses these connectors.
    const unnamed = ["SchedulingConnector-v1", "WebhookConnector-v1", "WorkForceNow-v2"];
    expect(silent.sort()).toEqual(unnamed.map((name) => `hms-bridge-${name}`));
    expect(everything).toContain("delivered");
    for (const secret of [planted, approver, "the-journals-own", "dailyRate"]) expect(everything).not.toContain(secret);
  });

  it("makes exactly the recorded calls", async () => {
    const found = neededCalls(stage, orders).map((call) => JSON.stringify(call));

    await expect(`[\n${found.join(",\n")}\n]\n`).toMatchFileSnapshot(recordedCallsFile);
  });
});

/** Returns the URL of an API on the emulator, from Parameter Store. */
async function apiUrl(name: "ops-url" | "inbound-url"): Promise<string> {
  const { Parameter } = await new SSMClient().send(new GetParameterCommand({ Name: `/hms-bridge/${name}` }));
  return Parameter?.Value ?? "";
}

/** Returns an SSM client with the given credentials that always returns `Value`, without the permission to read it. */
function signingAs(credentials: IamUser["credentials"], Value: string): SSMClient {
  const client = new SSMClient({ credentials });
  const respond = async () => ({ output: { $metadata: {}, Parameter: { Value } }, response: {} });
  client.middlewareStack.add(() => respond, { step: "initialize" });
  return client;
}

/** Builds a stream event for appended entries. Source: DynamoDB Streams, "Stream record". */
function streamOf(entries: readonly LedgerEntry[]) {
  const Records = entries.map((entry, i) => ({
    eventName: "INSERT",
    dynamodb: {
      ApproximateCreationDateTime: entry.at / 1_000,
      SequenceNumber: String(100 + i),
      Keys: { pk: { S: entry.chain }, sk: { N: String(entry.seq) } },
      NewImage: { pk: { S: entry.chain }, sk: { N: String(entry.seq) }, entry: { S: JSON.stringify(entry) } },
    },
  }));
  return { Records };
}

/** Changes the newest sheet bundle and starts its deployment. */
async function deployBundle(change: (bundle: string) => string): Promise<void> {
  const client = new AppConfigClient();
  const { application, environment, profile, atOnce } = readAppConfigTargets(stage.parameters.sheets ?? "");
  const of = { ApplicationId: application, ConfigurationProfileId: profile };
  const { Items = [] } = await client.send(new ListHostedConfigurationVersionsCommand(of));
  const VersionNumber = Math.max(...Items.map(({ VersionNumber: number = 0 }) => number));
  const { Content } = await client.send(new GetHostedConfigurationVersionCommand({ ...of, VersionNumber }));
  const before = new TextDecoder().decode(Content);
  const changed = new TextEncoder().encode(change(before));
  expect(changed).not.toEqual(Content);
  const made = await client.send(
    new CreateHostedConfigurationVersionCommand({ ...of, Content: changed, ContentType: "application/json" }),
  );
  await client.send(
    new StartDeploymentCommand({
      ...of,
      EnvironmentId: environment,
      DeploymentStrategyId: atOnce,
      ConfigurationVersion: String(made.VersionNumber),
    }),
  );
}

const aMinuteMs = 60_000;

/** Number of packets per outage: enough that the redrive takes some seconds. */
const outagePackets = 60;

function probeOf(connector: string): string {
  return `${connector.replace("@", "-")}-probe`;
}

async function setPaused(connector: string, paused: boolean): Promise<void> {
  await changeHealth(bridge.engine, connector, (health) => ({ ...health, paused }));
}

async function deleteMessages(queue: QueueName): Promise<void> {
  const messages = await bridge.engine.queue.receive(queue, { max: 10, visibilityMs: aMinuteMs, waitMs: 0 });
  await bridge.engine.queue.remove(
    queue,
    messages.map(({ receipt }) => receipt),
  );
}

/** Lets an event's packets look as if they had been recorded and enqueued some minutes ago. */
async function makeOld(event: SourceEvent): Promise<void> {
  const at = Date.now() - 5 * aMinuteMs;
  for (const { packet } of await bridge.packetsOf(event)) {
    const [stored] = await bridge.engine.store.read("packet", [packet.id]);
    if (!stored) throw new Error(`${packet.id} is not recorded`);
    const value = { ...stored.value, progress: { ...stored.value.progress, putAt: at } };
    await bridge.engine.store.write([{ kind: "packet", id: packet.id, value, etag: stored.etag }]);
    await DynamoDBDocumentClient.from(new DynamoDBClient()).send(
      new UpdateCommand({
        TableName: stage.parameters["packets-table"],
        Key: keyOf("packet", packet.id),
        UpdateExpression: "SET waitingAt = :at",
        ExpressionAttributeValues: { ":at": `${pad(at)}#${packet.id}` },
      }),
    );
  }
}

/** Makes a probe due by resetting the time of the previous one in the target's record. */
async function makeProbeDue(connector: string): Promise<void> {
  await changeHealth(bridge.engine, connector, (health) => ({ ...health, probedAt: 0 }));
}
