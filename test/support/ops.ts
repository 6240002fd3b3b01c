import { Ajv2020 } from "ajv/dist/2020.js";
import type { LogLine } from "../../bridge/observability/log.ts";
import { localOps } from "../../cli/api-server.ts";
import { Bridge } from "../../library/bridge.ts";
import { endpoints } from "../../ops/app.ts";
import { serveOps } from "../../ops/local-server.ts";
import { openApiOf } from "../../ops/openapi.ts";
import type { LocalEngine } from "../../platform/local/engine.ts";
import { until } from "./clock.ts";
import { type FakeTarget, fakeTarget } from "./core.ts";
import { home } from "./home.ts";

export const token = "the-token-of-this-test";

/** A call's answer, already validated against the OpenAPI document. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: the document's schemas have checked it
  readonly body: any;
}

/** A running bridge with one fake target, and its API on a free port. */
export interface TestApi extends AsyncDisposable {
  readonly url: string;
  readonly target: FakeTarget;
  readonly engine: LocalEngine;
  readonly bridge: Bridge;
  readonly lines: LogLine[];
  get(path: string): Promise<Answer>;
  post(path: string, body: unknown): Promise<Answer>;
  /** Sends a request as given, without credentials. */
  raw(path: string, init?: RequestInit): Promise<Response>;
  /** Publishes a rate for an entity and waits until its packet is closed or held. @returns the packet's id */
  emit(entity: string, data: Record<string, unknown>): Promise<string>;
}

const sheet = `
source_event: policy.per_diem.updated
targets:
  fake:
    connector: Fake
    map: { new_rate: dailyRate, note: note, city: city }
`;

export async function startTestApi(): Promise<TestApi> {
  const folder = home({ "governance.yaml": "otherwise: block" });
  const target = fakeTarget();
  const lines: LogLine[] = [];
  const bridge = new Bridge({
    dir: `${folder.path}/.bridge`,
    mappings: [{ file: "mappings/per_diem.yaml", text: sheet }],
    register: [target.connector],
    connectors: {},
    times: { backoffMs: [20, 40], tickMs: 20, probeMs: 100, redriveMs: 60_000 },
    log: (line) => lines.push(line),
  });
  const engine = await bridge.engine();
  const served = await serveOps(localOps(engine), { port: 0, token, actor: "jo" });
  const raw = (path: string, init?: RequestInit) => fetch(`${served.url}${path}`, init);
  const call = async (method: "GET" | "POST", path: string, body?: unknown): Promise<Answer> => {
    const headers = {
      authorization: `Bearer ${token}`,
      ...(body !== undefined && { "content-type": "application/json" }),
    };
    const response = await raw(path, { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) });
    const answer: unknown = await response.json();
    const issue = schemaIssue(method, path, response, answer);
    if (issue) throw new Error(`${method} ${path} answered ${response.status}, ${issue}: ${JSON.stringify(answer)}`);
    return { status: response.status, headers: response.headers, body: answer };
  };
  return {
    url: served.url,
    target,
    engine,
    bridge,
    lines,
    raw,
    get: (path) => call("GET", path),
    post: (path, body) => call("POST", path, body),
    async emit(entity, data) {
      const id = `${entity} ${engine.clock.stamp()}`;
      const key = await bridge.emit({
        id,
        source: "hms.policy",
        type: "policy.per_diem.updated",
        subject: entity,
        data: data as never,
      });
      await until(async () => (await engine.store.read("event", [key]))[0] !== undefined);
      const [packet] = (await engine.store.packets({ event: key, newestFirst: true, limit: 1 })).items;
      if (!packet) throw new Error(`event ${key} has no packet`);
      await bridge.finished(packet.packet.id);
      return packet.packet.id;
    },
    async [Symbol.asyncDispose]() {
      await served.close();
      await bridge.close();
      folder[Symbol.dispose]();
    },
  };
}

export const document = openApiOf(endpoints, { host: "local", version: "0" });
const ajv = new Ajv2020({ strict: false, validateFormats: false });
const validators = new Map<string, ReturnType<typeof ajv.compile>>();

/** Returns the mismatch between an answer and the OpenAPI document, or `undefined` if it conforms. */
export function schemaIssue(method: string, path: string, response: Response, answer: unknown): string | undefined {
  const pathname = path.split("?")[0] as string;
  const operation = endpoints.find(
    (one) =>
      one.method.toUpperCase() === method && new RegExp(`^${one.path.replace(/\{\w+\}/g, "[^/]+")}$`).test(pathname),
  );
  if (!operation) return response.status === 404 ? undefined : "which is not documented";
  const type = (response.headers.get("content-type") ?? "").split(";")[0] as string;
  const name = `${operation.id} ${response.status} ${type}`;
  let valid = validators.get(name);
  if (!valid) {
    // biome-ignore lint/suspicious/noExplicitAny: a document is a tree of anything
    const paths = document.paths as any;
    const schema = paths[operation.path][operation.method].responses[String(response.status)]?.content[type]?.schema;
    if (!schema) return `which is not documented for ${operation.id} with ${type}`;
    valid = ajv.compile({ ...schema, components: document.components });
    validators.set(name, valid);
  }
  return valid(answer) ? undefined : ajv.errorsText(valid.errors);
}
