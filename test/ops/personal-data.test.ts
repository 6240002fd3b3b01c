import { chmodSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { stringify } from "yaml";
import type { LogLine } from "../../bridge/observability/log.ts";
import { signedHeaders } from "../../bridge/values/webhook-signature.ts";
import { readApiEndpoint } from "../../cli/api-server.ts";
import { measurementsIn } from "../../functions/log-metrics.ts";
import { Bridge } from "../../library/bridge.ts";
import { until } from "../support/clock.ts";
import { type Home, home } from "../support/home.ts";
import {
  hasKnownFormat,
  labeledText,
  leakedFields,
  type PlantedValue,
  plantedFields,
  plantedValues,
} from "../support/planted-personal-data.ts";
import { bridge, type Served, serve } from "../support/serve.ts";
import { type Answer, type TargetServer, taken, targetServer } from "../support/target-server.ts";

/** A `bridge serve` process with all its counterparts, and everything that any of them has output. */
interface System extends AsyncDisposable {
  readonly folder: Home;
  readonly served: Served;
  /** A target that may receive everything. */
  readonly open: TargetServer;
  /** A target that may receive everything and echoes it in its responses. */
  readonly echo: TargetServer;
  /** A target that may receive nothing. */
  readonly closed: TargetServer;
  /** The compliance engine. */
  readonly engine: TargetServer;
  /** A second process on the same store that uses the library. */
  readonly library: Bridge;
  setSecrets(text: string): void;
  /** Calls the API and keeps responses that are a problem, a list or the result of an operation. */
  call(path: string, body?: unknown, init?: RequestInit): Promise<{ readonly status: number; readonly text: string }>;
  /** Runs a command and keeps its standard error output. */
  command(...args: string[]): Promise<{ readonly code: number; readonly out: string }>;
  /** Keeps more output for the check. */
  keep(...output: unknown[]): void;
  /** Waits until no event or packet is in progress. */
  rest(): Promise<void>;
  /** Returns everything that was logged, counted, written to the ledger, alerted, listed or returned, by its location. */
  outputs(): Promise<Readonly<Record<string, string>>>;
}

const key = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;
const mapped = plantedFields.map((kind) => `${kind}: ${kind}`).join(", ");
const files = (connectors: object, engine: TargetServer, alerts: TargetServer): Record<string, string> => ({
  "bridge.yaml": stringify({
    connectors,
    places: ["places"],
    times: { backoffMs: [30, 60], tickMs: 40, probeMs: 200, redriveMs: 300, putBackMs: 1_000 },
    governance: { url: `${engine.url}/vet`, timeoutMs: 1_000, cacheMs: 0 },
    alerts: { webhook: `${alerts.url}/alerts` },
  }),
  "governance.yaml": `otherwise: block
classes:
  person: { fields: [full_name, home_address] }
rules:
  - { id: all-to-open, field: "*", connector: WebhookConnector, action: allow }
  - { id: key-to-open, field: entity, connector: WebhookConnector, action: allow }
  - { id: all-to-echo, field: "*", connector: SchedulingConnector, action: allow }
  - { id: key-to-echo, field: entity, connector: SchedulingConnector, action: allow }
  - { id: no-persons, class: person, action: block }
`,
  "mappings/people.yaml": `source_event: person.changed
targets:
  open: { connector: WebhookConnector, map: { ${mapped}, note: note, nested: nested } }
  closed: { connector: WorkForceNow@v1, map: { ${mapped}, note: note, nested: nested } }
`,
  "mappings/echoed.yaml": `source_event: person.echoed
targets:
  echo: { connector: SchedulingConnector, map: { ${mapped} } }
`,
  "mappings/roster.yaml": `source_event: roster.published
targets:
  open: { connector: WebhookConnector, for_each: { ndjson: data.rosterUri }, key: id, map: { ${mapped} } }
  closed: { connector: WorkForceNow@v1, for_each: { ndjson: data.rosterUri }, key: id, map: { ${mapped} } }
`,
  "mappings/payroll_back.yaml": `direction: inbound
source_event: inbound.PayrollConnector
key: data.id
targets:
  hms: { publish: person.changed, map: { ${mapped} } }
`,
  "places/.keep": "",
});

const secrets = {
  WebhookConnector: { keys: [key] },
  "PayrollConnector/inbound": { keys: [key] },
  governance: { token: "the-engine-s-token" },
  alerts: { keys: [key] },
};

const allows: Answer = (_, response) => {
  response.writeHead(200, { "content-type": "application/json" }).end('{"action":"allow","rule":"esq-1"}');
};

async function startSystem(): Promise<System> {
  const [open, echo, closed, engine, alerts] = await Promise.all([
    targetServer(),
    targetServer(),
    targetServer(),
    targetServer(allows),
    targetServer(),
  ]);
  const connectors = {
    WebhookConnector: { url: `${open.url}/hook` },
    SchedulingConnector: { baseUrl: echo.url },
    WorkForceNow: { baseUrl: closed.url },
  };
  const folder = home(files(connectors, engine, alerts));
  const dir = join(folder.path, ".bridge");
  mkdirSync(dir, { mode: 0o700 });
  const setSecrets = (text: string) => {
    writeFileSync(join(dir, "secrets.json"), text, { mode: 0o600 });
    chmodSync(join(dir, "secrets.json"), 0o600);
  };
  setSecrets(JSON.stringify(secrets));
  const served = await serve(folder.path);
  const library = new Bridge({ dir, mappings: join(folder.path, "mappings"), work: false });
  const output: string[] = [];
  const call = apiClient(dir, output);
  return {
    folder,
    served,
    open,
    echo,
    closed,
    engine,
    library,
    setSecrets,
    call,
    async command(...args) {
      const { code, out, err } = await bridge(folder.path, ...args);
      output.push(err);
      return { code, out };
    },
    keep(...more) {
      output.push(...more.map(String));
    },
    rest: () => waitUntilIdle(library),
    async outputs() {
      const lists = await listsOf(call);
      const { store } = await library.engine();
      const { items } = await store.ledger({ limit: 1_000_000 });
      const lines = served.lines.filter((line) => line.startsWith("{")).map((line) => JSON.parse(line) as LogLine);
      const textOf = (values: readonly unknown[]) => values.map((value) => JSON.stringify(value)).join("\n");
      return {
        "the log": served.lines.join("\n"),
        "the metrics in the log": textOf(lines.flatMap(measurementsIn)),
        "the ledger": textOf(items),
        alerts: textOf(alerts.received),
        ...lists,
        "responses and errors": output.join("\n"),
      };
    },
    async [Symbol.asyncDispose]() {
      await library.close();
      await served.end("SIGTERM");
      await Promise.all([open, echo, closed, engine, alerts].map((server) => server.close()));
      folder[Symbol.dispose]();
    },
  };
}

/** Creates a client of the served API that adds each response to `output`, unless the response may contain values. */
function apiClient(dir: string, output: string[]): System["call"] {
  const endpoint = readApiEndpoint(dir);
  if (!endpoint) throw new Error("the bridge serves no API");
  return async (path, body, init = {}) => {
    const headers = { authorization: `Bearer ${endpoint.token}`, "content-type": "application/json" };
    const post = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
    const response = await fetch(`${endpoint.url}${path}`, { headers, ...post, ...init });
    const text = await response.text();
    // A dry run may echo its input, and the details of a packet or event may contain its values.
    const mayShowValues =
      response.ok && (/^\/api\/(packets|events)\/[^/?]+$/.test(path) || text.includes('"kind":"trial"'));
    if (!mayShowValues) output.push(text, JSON.stringify([...response.headers]));
    return { status: response.status, text };
  };
}

/** Reads the metrics and all pages of every list. */
async function listsOf(call: System["call"]): Promise<Record<string, string>> {
  const allPages = async (path: string) => {
    let all = "";
    for (let cursorQuery: string | undefined = ""; cursorQuery !== undefined; ) {
      const { text } = await call(`${path}?limit=200${cursorQuery}`);
      const { next } = JSON.parse(text) as { next?: string };
      cursorQuery = next && `&after=${next}`;
      all += text;
    }
    return all;
  };
  const lists: Record<string, string> = { "the metrics endpoint": (await call("/metrics")).text };
  for (const list of ["packets", "events", "jobs", "connectors", "sheets", "alerts"]) {
    lists[`the list of ${list}`] = await allPages(`/api/${list}`);
  }
  return lists;
}

function waitUntilIdle(library: Bridge): Promise<void> {
  return until(async () => {
    if (!(await library.settled())) return false;
    const { events, packets } = await library.tally();
    const open = events.EXPANDING + packets.QUEUED + packets.RETRY;
    if (open > 0) await new Promise((resolve) => setTimeout(resolve, 50));
    return open === 0;
  });
}

interface EntryPoint {
  readonly name: string;
  /** Sends all values in every way this entry point accepts. */
  send(system: System, values: readonly PlantedValue[]): Promise<void>;
  /** Set if no value may reach a target. Otherwise all values reach a target that may receive them. */
  readonly arrives?: "none";
}

const source = "hms.people";
const emitAll = (system: System, events: readonly object[]) =>
  Promise.all(
    events.map((event) =>
      system.library.emit({ source, type: "person.changed", ...event } as never).catch((error: Error) => {
        system.keep(error, error.stack, error.cause);
      }),
    ),
  );
const waitForJobs = (system: System) =>
  until(async () => JSON.parse((await system.call("/api/jobs?running=true")).text).items.length === 0);

const entryPoints: readonly EntryPoint[] = [
  {
    name: "events published by a program",
    async send(system, values) {
      const plain = values.filter(hasKnownFormat);
      await emitAll(system, [
        ...values.map(({ field, value }, i) => ({ id: `f-${i}`, subject: `r-${i}`, data: { [field]: value } })),
        ...values.map(({ field, value }, i) => ({
          id: `n-${i}`,
          subject: `n-${i}`,
          data: { nested: { [field]: [value] } },
        })),
        ...values.flatMap((one, i) => {
          const note = labeledText(one);
          return note === undefined ? [] : [{ id: `w-${i}`, subject: `w-${i}`, data: { note } }];
        }),
        ...values.map(({ field, value }) => ({ id: value, subject: "r", data: { [field]: value } })),
        ...plain.map(({ field, value }, i) => ({ id: `k-${i}`, subject: value, data: { [field]: value } })),
        ...plain.map(({ value }, i) => ({
          id: `s-${i}`,
          source: `mailto:${value}`,
          subject: `s-${i}`,
          data: { ip: value },
        })),
        ...plain.map(({ value }, i) => ({ id: `t-${i}`, type: `person ${value}`, data: {} })),
        // Malformed events are rejected with an error to the caller.
        ...values.map(({ value }) => ({ id: { [value]: value }, subject: value, data: { [value]: value } })),
        ...values.map(({ value }, i) => ({ id: `d-${i}`, time: value, sequence: value, data: value })),
      ]);
    },
  },
  {
    name: "malformed inbox messages",
    arrives: "none",
    async send(system, values) {
      const { queue } = await system.library.engine();
      const bodies = values.flatMap(({ field, value }) => [
        `{ "id": "${value}", broken`,
        JSON.stringify({ id: value, source: value, type: value }),
        JSON.stringify({ id: "1", source: "s", type: "person.changed", subject: [value], data: { [field]: value } }),
        JSON.stringify({ id: "1", source: "s", type: "t", specversion: value, [value]: value, data: {} }),
        `{"id":"1","source":"s","type":"t","data":{"${value}":{"__proto__":"${value}"}}}`,
        value,
      ]);
      for (const [i, body] of bodies.entries()) await queue.send("inbox", [{ group: `g-${i}`, body }]);
    },
  },
  {
    name: "valid and invalid events on the command line",
    async send(system, values) {
      const lines = values.map(({ field, value }, i) =>
        JSON.stringify({ id: `c-${i}`, source, type: "person.changed", subject: `c-${i}`, data: { [field]: value } }),
      );
      system.folder.write("good.ndjson", `${lines.join("\n")}\n`);
      expect((await system.command("emit", "--file", "good.ndjson", "--wait", "30")).code).toBe(1);
      for (const [i, wrong] of [
        values.map(({ value }) => value).join(" "),
        JSON.stringify({ type: values.map(({ value }) => value), data: {} }),
        JSON.stringify(Object.fromEntries(values.map(({ field, value }) => [value, field]))),
      ].entries()) {
        system.folder.write(`wrong-${i}.ndjson`, `${wrong}\n`);
        expect((await system.command("emit", "--file", `wrong-${i}.ndjson`)).code).toBe(2);
      }
      const [some] = values;
      expect((await system.command("emit", `{"data": ${some?.value}`)).code).toBe(2);
      for (const verb of ["outbox", "jobs", "connectors"]) system.keep((await system.command(verb)).out);
    },
  },
  {
    name: "signed and unsigned webhooks",
    async send(system, values) {
      const post = (body: string, id: string, path = "PayrollConnector", more: Record<string, string> = {}) => {
        const seconds = String(Math.floor(Date.now() / 1_000));
        const signed = signedHeaders([key], { id, seconds, body });
        const headers = { "content-type": "application/json", ...signed, ...more };
        return system.call(`/inbound/${encodeURIComponent(path)}`, undefined, { method: "POST", body, headers });
      };
      for (const [i, { field, value }] of values.entries()) {
        const body = JSON.stringify({ id: `in-${i}`, [field]: value, other: value });
        expect((await post(body, `in-${i}`)).status).toBe(202);
        expect((await post(body, `x-${i}`, value)).status).toBe(401);
        expect((await post(body, `y-${i}`, undefined, { "webhook-signature": "v1,AAAA" })).status).toBe(401);
        expect((await post(`{"${value}`, `z-${i}`)).status).toBe(400);
        expect((await post(body, `v-${i}`, undefined, { "content-type": `text/${field}` })).status).toBe(415);
      }
      // Sends the value as the message id, if it can be in a header.
      for (const { field, value } of values.filter(({ value }) => /^\S+$/.test(value))) {
        expect((await post(JSON.stringify({ id: `m-${field}` }), value)).status).toBe(202);
      }
    },
  },
  {
    name: "bodies, queries, paths and reasons sent to the operator API",
    async send(system, values) {
      await emitAll(
        system,
        values.map(({ field, value }, i) => ({ id: `o-${i}`, subject: `o-${i}`, data: { [field]: value } })),
      );
      await system.rest();
      const { text } = await system.call("/api/packets?status=HELD&limit=200&text=person.changed");
      const held = (JSON.parse(text).items as { id: string }[]).map(({ id }) => id);
      const now = new Date().toISOString();
      for (const [i, one] of values.entries()) {
        const { field, value } = one;
        const id = held[i % held.length] as string;
        const { etag } = JSON.parse((await system.call(`/api/packets/${id}`)).text);
        const reason = labeledText(one) ?? "no label";
        const encoded = encodeURIComponent(value);
        for (const [path, body] of [
          [`packets/${id}/edit`, { etag, fields: { [field]: value, [value]: value }, reason }],
          [`packets/${id}/edit`, { etag, fields: { [field]: value }, reason, dryRun: true }],
          [`packets/${id}/edit`, { etag: value, fields: value, reason: { [value]: value }, [value]: value }],
          [`packets/${id}/replay`, { etag: etag + 1, reason }],
          [`packets/${id}/discard`, { etag: value, reason }],
          [`packets/${encoded}/discard`, { reason: value }],
          [`connectors/${encoded}/pause`, { reason: value }],
          [`connectors/PayrollConnector/pause`, { reason }],
          [`connectors/PayrollConnector/resume`, { reason }],
          [`connectors/PayrollConnector/redrive`, { reason, [value]: 1 }],
          [`connectors/PayrollConnector/forget`, { entity: value }],
          ["bulk", { act: "discard", filter: { text: value, entity: value }, reason }],
          ["bulk", { act: value, filter: { [value]: value }, reason: value }],
          ["bulk", { act: "release", filter: { connector: value, from: value }, reason }],
          ["replays", { from: now, connector: value }],
          ["replays", { from: value, [value]: value }],
          ["backfills", { targets: [value], from: { since: now } }],
          ["backfills", { targets: ["people.open"], from: { file: `file:///elsewhere/${encoded}` } }],
          ["backfills", { targets: ["people.open"], from: { file: value, asOf: value } }],
          ["sheets/try", { name: "people", event: { type: "person.changed", time: value, data: { [field]: value } } }],
          ["sheets/try", { name: "people", event: { type: value, subject: [value], data: { [value]: value } } }],
          [`jobs/${encoded}/cancel`, {}],
          ["ledger/verify", { since: value }],
        ] as const) {
          await system.call(`/api/${path}`, body);
        }
        for (const query of [
          `entity=${encoded}`,
          `text=${encoded}`,
          `connector=${encoded}`,
          `status=${encoded}`,
          `after=${encoded}`,
        ]) {
          await system.call(`/api/packets?${query}`);
        }
        for (const path of [
          `packets/${encoded}`,
          `events/${encoded}`,
          `sheets/${encoded}`,
          `jobs/${encoded}`,
          `events?from=${encoded}`,
        ]) {
          await system.call(`/api/${path}`);
        }
        await system.call(`/api/${encoded}`, undefined, { headers: { authorization: `Bearer ${value}` } });
      }
      // Edits each packet with a reason that contains the value.
      for (const [i, id] of held.entries()) {
        const one = values[i % values.length] as PlantedValue;
        const { etag } = JSON.parse((await system.call(`/api/packets/${id}`)).text);
        const reason = labeledText(one) ?? "withdrawn";
        await system.call(`/api/packets/${id}/edit`, { etag, fields: { [one.field]: `again ${one.value}` }, reason });
      }
    },
  },
  {
    name: "snapshot and roster files with invalid lines and revealing names",
    async send(system, values) {
      const events = values.map(({ field, value }, i) =>
        JSON.stringify({
          id: `b-${i}`,
          source,
          type: "person.changed",
          time: "2026-01-01T00:00:00Z",
          subject: `b-${i}`,
          data: { [field]: value },
        }),
      );
      const broken = values.flatMap(({ value }) => [
        `{"${value}`,
        JSON.stringify({ time: value, [value]: value }),
        `"${value}"`,
      ]);
      system.folder.write("places/old.ndjson", [...events, ...broken].join("\n"));
      system.folder.write(
        "places/roster.ndjson",
        [...values.map(({ field, value }, i) => JSON.stringify({ id: `l-${i}`, [field]: value })), ...broken].join(
          "\n",
        ),
      );
      const file = (name: string) => `file://${system.folder.path}/places/${encodeURIComponent(name)}`;
      const targets = ["people.open", "people.closed"];
      const job = await system.call("/api/backfills", { targets, from: { file: file("old.ndjson") } });
      expect(job.status).toBe(200);
      await emitAll(system, [
        { id: "roster", type: "roster.published", data: { rosterUri: file("roster.ndjson") } },
        ...values.map(({ value }, i) => ({
          id: `u-${i}`,
          type: "roster.published",
          subject: `u-${i}`,
          data: { rosterUri: file(value) },
        })),
        ...values.map(({ value }, i) => ({
          id: `h-${i}`,
          type: "roster.published",
          subject: `h-${i}`,
          data: { rosterUri: `https://${i}.example/${value}` },
        })),
      ]);
      await waitForJobs(system);
      await system.rest();
      // The file exists when the job starts and is gone when the job reads it.
      const [some] = values.filter(({ field }) => field === "full_name");
      const name = `${some?.value}.ndjson`;
      system.folder.write(`places/${name}`, events.join("\n"));
      await system.call("/api/backfills", { targets, perSecond: 1, from: { file: file(name) } });
      rmSync(join(system.folder.path, "places", name));
      await waitForJobs(system);
    },
  },
  {
    name: "responses of a target",
    async send(system, values) {
      const answers: ((echoed: string) => readonly [number, Record<string, string>, string])[] = [
        (echoed) => [422, { "content-type": "application/json" }, JSON.stringify({ error: echoed })],
        (echoed) => [
          400,
          { "content-type": "application/problem+json" },
          JSON.stringify({
            title: echoed,
            detail: echoed,
            errors: [{ pointer: "/ssn", detail: `"${echoed}" will not do` }],
          }),
        ],
        (echoed) => [
          409,
          { "content-type": "application/json" },
          JSON.stringify({ errors: { ssn: [`not ${echoed}`] } }),
        ],
        (echoed) => [200, { "content-type": "text/html" }, `<html>${echoed}</html>`],
        (echoed) => [503, { "content-type": "text/plain", "retry-after": "0" }, echoed],
        (echoed) => [302, { location: `/${encodeURIComponent(echoed)}` }, echoed],
        (echoed) => [401, { "www-authenticate": `Bearer realm="${encodeURIComponent(echoed)}"` }, echoed],
      ];
      let call = 0;
      system.echo.answer = ({ body, path }, response) => {
        const echoed = Object.values((body ?? {}) as object)
          .concat(decodeURIComponent(path.split("/").at(-1) ?? ""))
          .join(" or ");
        const [status, headers, text] = answers[call++ % answers.length]?.(echoed) ?? [500, {}, echoed];
        response.writeHead(status, headers).end(text);
      };
      await emitAll(system, [
        ...values.map(({ field, value }, i) => ({
          id: `e-${i}`,
          type: "person.echoed",
          subject: `e-${i}`,
          data: { [field]: value },
        })),
        ...values.filter(hasKnownFormat).map(({ field, value }, i) => ({
          id: `q-${i}`,
          type: "person.echoed",
          subject: value,
          data: { [field]: value },
        })),
      ]);
      await until(() => call > values.length * 2);
      for (const [place, text] of Object.entries(await system.outputs()))
        expect(leakedFields(text, values), `in ${place}`).toEqual([]);
      system.echo.answer = taken;
    },
  },
  {
    name: "responses of the compliance engine",
    async send(system, values) {
      let call = 0;
      system.engine.answer = ({ body }, response) => {
        const { packet } = body as { packet: { entity: string; fields: Record<string, string> } };
        const echoed = Object.values(packet.fields).join(" ");
        const [status, headers, text] = [
          [200, {}, echoed],
          [200, {}, JSON.stringify({ action: "block", rule: `rule ${echoed}` })],
          [200, {}, JSON.stringify({ action: "mask", rule: "esq-1", fields: [echoed] })],
          [200, {}, JSON.stringify({ action: echoed, rule: "esq-1", why: echoed })],
          [500, { "content-type": "text/plain" }, echoed],
          [307, { location: `/${encodeURIComponent(echoed)}` }, echoed],
        ][call++ % 6] as [number, Record<string, string>, string];
        response.writeHead(status, headers).end(text);
      };
      await emitAll(
        system,
        values.map(({ field, value }, i) => ({ id: `g-${i}`, subject: `g-${i}`, data: { [field]: value } })),
      );
      await until(() => system.served.lines.some((line) => line.includes("governance-not-asked")));
      await until(async () => JSON.parse((await system.call("/api/tally")).text).events.EXPANDING > 150);
      system.engine.answer = allows;
    },
  },
  {
    name: "settings and secrets",
    async send(system, values) {
      await emitAll(
        system,
        values.map(({ field, value }, i) => ({ id: `x-${i}`, subject: `x-${i}`, data: { [field]: value } })),
      );
      for (const { field, value } of values.slice(0, 24)) {
        for (const text of [
          `{"WebhookConnector": ${value}`,
          JSON.stringify(value),
          JSON.stringify({ ...secrets, WebhookConnector: value }),
          JSON.stringify({ ...secrets, WebhookConnector: { keys: [value], [field]: value } }),
          JSON.stringify({ ...secrets, WebhookConnector: { keys: [`whsec_${value}`] } }),
        ]) {
          system.setSecrets(text);
          await system.call("/api/connectors");
        }
      }
      system.setSecrets(JSON.stringify(secrets));
      using folder = home({
        "mappings/people.yaml": "source_event: a\ntargets: { b: { connector: WebhookConnector, map: { c: c } } }\n",
      });
      for (const [i, { field, value }] of values.slice(0, 12).entries()) {
        const wrong = [
          stringify({ connectors: { WebhookConnector: { url: value } } }),
          stringify({ connectors: { WebhookConnector: { url: `https://jo:${value}@` } } }),
          stringify({ times: { backoffMs: value }, places: value }),
          stringify({ governance: { url: value, timeoutMs: value } }),
          `connectors: { WebhookConnector: { url: "${value}\n${field}: ]`,
          `${field}: *${value}`,
        ];
        folder.write("bridge.yaml", wrong[i % wrong.length] as string);
        const { err } = await bridge(folder.path, "emit", '{"type":"a","data":{"c":1}}', "--wait", "0");
        system.keep(err);
      }
    },
  },
  {
    name: "failing sheet examples with real people's data",
    arrives: "none",
    async send(system, values) {
      const text = stringify({
        source_event: "person.gone",
        targets: {
          open: { connector: "WebhookConnector", map: Object.fromEntries(plantedFields.map((kind) => [kind, kind])) },
        },
        examples: values.map(({ field, value }, i) => ({
          name: `example ${i}`,
          event: { type: "person.gone", subject: `r-${i}`, data: { [field]: value } },
          expect: { open: { [field]: `not ${value}` } },
        })),
      });
      const before = system.served.lines.length;
      system.folder.write("mappings/gone.yaml", text);
      await until(() => system.served.lines.slice(before).some((line) => line.includes("sheets-refused")));
      system.keep((await bridge(system.folder.path, "sheets", "check")).out);
      rmSync(join(system.folder.path, "mappings", "gone.yaml"));
      await until(() => system.served.lines.slice(before).some((line) => line.includes("sheets-loaded")));
    },
  },
];

describe("personal data at every entry point", { timeout: 300_000 }, () => {
  it.each(entryPoints.map((entryPoint, i) => ({ ...entryPoint, values: plantedValues(1_000 + i) })))(
    "reaches no log, list or error when sent as $name",
    async ({ send, values, arrives }) => {
      await using system = await startSystem();
      await send(system, values);
      await system.rest();

      for (const [place, text] of Object.entries(await system.outputs())) {
        expect([...new Set(leakedFields(text, values))], `in ${place}`).toEqual([]);
      }
      const reached = JSON.stringify([system.open.received, system.echo.received]);
      expect(leakedFields(reached, values)).toHaveLength(arrives === "none" ? 0 : 200);
      expect(system.closed.received).toEqual([]);
    },
  );

  it("consists of 200 distinct values of twelve kinds for each entry point", () => {
    for (const i of entryPoints.keys()) {
      const values = plantedValues(1_000 + i);
      expect(new Set(values.map(({ value }) => value)).size).toBe(200);
      expect(new Set(values.map(({ field }) => field)).size).toBe(12);
    }
  });
});
