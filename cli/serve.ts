import { styleText } from "node:util";
import type { Command } from "commander";
import type { LogLine } from "../bridge/observability/log.ts";
import type { SheetsUpdate } from "../platform/local/sheet-watcher.ts";
import { type ApiEndpoint, startApi } from "./api-server.ts";
import { type End, exitCodes } from "./output.ts";
import { type StoreOptions, storeCommand, withBridge } from "./with-bridge.ts";

interface ServeOptions extends StoreOptions {
  readonly port?: number;
  readonly api: boolean;
}

/** `bridge serve`: works on the store until it is told to end. */
export function serve(end: End): Command {
  return storeCommand("serve", "work on the store until stopped: map, deliver, probe, redrive")
    .option("--port <port>", "where the operator's API is, on this machine only; 0: any that is free", portIn)
    .option("--no-api", "serve no API")
    .addHelpText(
      "after",
      "\nEnds on Ctrl-C or SIGTERM, when what it is sending is done. One line an attempt; --json for a log collector.",
    )
    .action(async (options: ServeOptions) => {
      const say = options.json ? sayJson : sayText;
      const log = (line: LogLine) => say(line, new Date());
      const onSheets = (news: SheetsUpdate) => tellSheets(news, log);
      await withBridge(options, { log, onSheets }, async (bridge) => {
        const { engine, runner } = await bridge.open();
        if (!runner) {
          console.error(
            `bridge: another process works on ${options.dir} already; "bridge outbox" looks at what it does`,
          );
          end(exitCodes.couldNot);
          return;
        }
        const api = options.api ? await startApi(engine, options.port) : undefined;
        if (api) printApiEndpoint(api, options, log);
        log({ step: "serving", store: options.dir, sheets: options.mappings });
        const signal = new Promise<string>((resolve) => {
          for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => resolve(name));
        });
        const why = await Promise.race([signal, runner.storeGone]);
        await api?.close();
        if (why !== undefined) return log({ step: "stopping", signal: why });
        console.error(
          `bridge: the store ${options.dir} was deleted or replaced while this process worked on it; nothing more is taken. Put it back, or start anew with an empty one`,
        );
        end(exitCodes.couldNot);
      });
    });
}

/** A log collector gets no token: it lies in the store's folder. */
function printApiEndpoint(
  { url, token }: ApiEndpoint,
  { dir, json }: ServeOptions,
  log: (line: LogLine) => void,
): void {
  if (json) {
    log({ step: "api", url });
    return;
  }
  console.log(`The Sync Dashboard: ${styleText("bold", `${url}/#token=${token}`)}`);
  console.log(`The token is this start's only, and for the API too; it also lies in ${dir}/api.json.`);
}

function portIn(text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535) throw new RangeError(`"${text}" is no port from 0 to 65535`);
  return Number(text);
}

function tellSheets(news: SheetsUpdate, log: (line: LogLine) => void): void {
  if (news.kind === "loaded") {
    log({ step: "sheets-loaded", sheets: news.sheets });
    for (const warning of news.warnings) log({ step: "sheet-warning", warning });
    return;
  }
  for (const fault of news.faults) log({ step: "sheets-refused", fault, inForce: "the last good set" });
}

function sayJson(line: LogLine, at: Date): void {
  console.log(JSON.stringify({ at: at.toISOString(), ...line }));
}

function sayText({ step, ...facts }: LogLine, at: Date): void {
  const colour = /down|refused|failed|unknown/.test(step)
    ? "red"
    : /retry|warning|resumed|put-back/.test(step)
      ? "yellow"
      : "green";
  const rest = Object.entries(facts).map(([name, value]) => `${name} ${value}`);
  console.log(`${at.toISOString().slice(11, 23)}  ${styleText(colour, step.padEnd(14))}  ${rest.join("  ")}`);
}
