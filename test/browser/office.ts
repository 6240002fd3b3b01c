import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { AxeBuilder } from "@axe-core/playwright";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { stringify } from "yaml";
import { type ApiEndpoint, readApiEndpoint } from "../../cli/api-server.ts";
import { Bridge } from "../../library/bridge.ts";
import { Event } from "../../library/event.ts";
import { home } from "../support/home.ts";
import { bridge, type Served, serve } from "../support/serve.ts";
import { type Answer, type TargetServer, targetServer } from "../support/target-server.ts";
import { launch } from "./chromium.ts";
import { officePolicy, officeSheets } from "./sheets.ts";

/** A `bridge serve` process, three real target servers, and an operator's browser. */
export interface Office extends AsyncDisposable {
  readonly payroll: TargetServer;
  readonly gis: TargetServer;
  readonly hr: TargetServer;
  readonly endpoint: ApiEndpoint;
  /** Stops the bridge with SIGTERM, as a deployment would. */
  stop(): Promise<void>;
  /** Starts the bridge again on the same port, with a new token. */
  restart(): Promise<ApiEndpoint>;
  readonly context: BrowserContext;
  /** Console errors, uncaught errors and requests to other hosts than the API's. */
  readonly pageErrors: string[];
  write(file: string, text: string): void;
  /** Returns the file URL of a written file. */
  addressOf(file: string): string;
  /** Runs `bridge` in the office's folder. */
  command(...args: string[]): Promise<string>;
  emit(event: Omit<Parameters<typeof Event>[0], "source">): Promise<void>;
  /** Puts a message into the inbox unchanged, even if it is not a valid event. */
  putInInbox(body: string): Promise<void>;
  /** Opens the signed-in console, at a screen if one is given. */
  open(where?: string): Promise<Page>;
}

/** Short timings that keep the tests fast. */
const times = { backoffMs: [50, 100], probeMs: 300, tickMs: 50, redriveMs: 2_000, sealMs: 2_000 };

const longHours: Answer = ({ body }, response) => {
  const { flex_time: hours = 0 } = (body ?? {}) as { flex_time?: number };
  if (hours <= 40) return void response.writeHead(204).end();
  response.writeHead(422, { "content-type": "application/json" }).end('{"error":"flex_time must be at most 40"}');
};

function officeFolder(connectors: Readonly<Record<string, { readonly baseUrl: string }>>) {
  const folder = home({
    "governance.yaml": officePolicy,
    "bridge.yaml": stringify({ connectors, times, places: ["rosters"], seals: "seals" }),
    "rosters/.keep": "",
  });
  for (const [file, text] of Object.entries(officeSheets)) folder.write(`mappings/${file}`, text);
  return folder;
}

export async function anOffice(): Promise<Office> {
  const payroll = await targetServer();
  const gis = await targetServer();
  const hr = await targetServer(longHours);
  const connectors = {
    PayrollConnector: { baseUrl: payroll.url },
    GISTableConnector: { baseUrl: gis.url },
    WorkForceNow: { baseUrl: hr.url },
  };
  const folder = officeFolder(connectors);
  let served: Served = await serve(folder.path);
  const readEndpoint = (): ApiEndpoint => {
    const found = readApiEndpoint(join(folder.path, ".bridge"));
    if (!found) throw new Error("The bridge serves no API.");
    return found;
  };
  const endpoint = readEndpoint();
  // Publishes events but does not process them, as an HMS service on this machine would.
  const publisher = new Bridge({
    dir: join(folder.path, ".bridge"),
    mappings: join(folder.path, "mappings"),
    work: false,
  });
  const browser: Browser = await launch();
  const { context, pageErrors } = await watchedContext(browser, endpoint);
  const command = async (...args: string[]) => {
    const { code, out, err } = await bridge(folder.path, ...args);
    if (code > 1) throw new Error(`bridge ${args[0]} ended with ${code}: ${err}`);
    return out;
  };
  return {
    payroll,
    gis,
    hr,
    endpoint,
    stop: () => served.end("SIGTERM"),
    async restart() {
      served = await serve(folder.path, "--port", new URL(endpoint.url).port);
      return readEndpoint();
    },
    context,
    pageErrors,
    write: folder.write,
    addressOf: (file) => pathToFileURL(join(folder.path, file)).href,
    command,
    async emit(event) {
      await publisher.emit(Event({ source: "hms.policy", ...event }));
    },
    async putInInbox(body) {
      const { queue } = await publisher.engine();
      await queue.send("inbox", [{ group: body, body }]);
    },
    async open(where = "") {
      const page = await context.newPage();
      await page.goto(`${endpoint.url}/#token=${endpoint.token}`);
      await page.getByText("Connected").waitFor();
      if (where) await page.goto(`${endpoint.url}/#/${where}`);
      return page;
    },
    async [Symbol.asyncDispose]() {
      await browser.close();
      await publisher.close();
      await served.end("SIGTERM");
      await Promise.all([payroll, gis, hr].map((target) => target.close()));
      folder[Symbol.dispose]();
    },
  };
}

/** A browser context that collects unexpected console errors and requests to any other host than the API's. */
async function watchedContext(browser: Browser, endpoint: ApiEndpoint) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 } });
  context.setDefaultTimeout(15_000);
  const pageErrors: string[] = [];
  context.on("console", (message) => {
    // Some tests provoke a refused call, or one without an answer.
    const isWanted = /status of 4\d\d|ERR_INTERNET_DISCONNECTED/.test(message.text());
    if (message.type() === "error" && !isWanted) pageErrors.push(message.text());
  });
  context.on("weberror", (error) => pageErrors.push(String(error.error())));
  context.on("request", (request) => {
    if (/^http/.test(request.url()) && !request.url().startsWith(endpoint.url))
      pageErrors.push(`asked ${request.url()}`);
  });
  return { context, pageErrors };
}

/** Returns the accessibility violations axe finds, one line each: the rule and the element. */
export async function axeViolations(page: Page): Promise<string[]> {
  const { violations } = await new AxeBuilder({ page }).analyze();
  return violations.flatMap(({ id, nodes }) => nodes.map(({ target }) => `${id}: ${target.join(" ")}`));
}
