import { styleText } from "node:util";
import type { Command } from "commander";
import type { LogLine } from "../bridge/observability/log.ts";
import type { SheetsUpdate } from "../platform/local/sheet-watcher.ts";
import { type ApiEndpoint, startApi } from "./api-server.ts";
import { exitCodes, type SetExitCode } from "./output.ts";
import { type StoreOptions, storeCommand, withBridge } from "./with-bridge.ts";

interface ServeOptions extends StoreOptions {
  readonly port?: number;
  readonly api: boolean;
}

/** `bridge serve`: works on the store until it is stopped. */
export function serve(setExitCode: SetExitCode): Command {
  return storeCommand("serve", "work on the store until stopped: map, deliver, probe, redrive")
    .option("--port <port>", "the port of the operator API, on this machine only; 0: any free port", parsePort)
    .option("--no-api", "do not serve the API")
    .addHelpText(
      "after",
      "\nStops on Ctrl-C or SIGTERM after the current sends are done. Logs one line per attempt; --json is for log\n" +
        "collectors.",
    )
    .action(async (options: ServeOptions) => {
      const print = options.json ? printJsonLine : printTextLine;
      const log = (line: LogLine) => print(line, new Date());
      const onSheets = (news: SheetsUpdate) => logSheets(news, log);
      await withBridge(options, { log, onSheets }, async (bridge) => {
        const { engine, runner } = await bridge.open();
        if (!runner) {
          console.error(
            `bridge: another process is already working on ${options.dir}; "bridge outbox" shows its packets`,
          );
          setExitCode(exitCodes.couldNot);
          return;
        }
        const api = options.api ? await startApi(engine, options.port) : undefined;
        if (api) printApiEndpoint(api, options, log);
        log({ step: "serving", store: options.dir, sheets: options.mappings });
        const signal = new Promise<string>((resolve) => {
          for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => resolve(name));
        });
        const stoppedBy = await Promise.race([signal, runner.storeGone]);
        await api?.close();
        if (stoppedBy !== undefined) return log({ step: "stopping", signal: stoppedBy });
        console.error(
          `bridge: the store ${options.dir} was deleted or replaced while this process was working on it, so the bridge accepts no more events. Restore the store, or start bridge serve again with an empty one`,
        );
        setExitCode(exitCodes.couldNot);
      });
    });
}

/** Prints the API's address. The token is not written to a JSON log; it is in the store's folder. */
function printApiEndpoint(
  { url, token }: ApiEndpoint,
  { dir, json }: ServeOptions,
  log: (line: LogLine) => void,
): void {
  if (json) {
    log({ step: "api", url });
    return;
  }
  console.log(`Sync Dashboard: ${styleText("bold", `${url}/#token=${token}`)}`);
  console.log(`The token works for the API too, until this process stops. It is also in ${dir}/api.json.`);
}

function parsePort(text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535) throw new RangeError(`"${text}" is not a port from 0 to 65535`);
  return Number(text);
}

function logSheets(news: SheetsUpdate, log: (line: LogLine) => void): void {
  if (news.kind === "loaded") {
    log({ step: "sheets-loaded", sheets: news.sheets });
    for (const warning of news.warnings) log({ step: "sheet-warning", warning });
    return;
  }
  for (const fault of news.faults) log({ step: "sheets-refused", fault, inForce: "the previous valid set" });
}

function printJsonLine(line: LogLine, at: Date): void {
  console.log(JSON.stringify({ at: at.toISOString(), ...line }));
}

function printTextLine({ step, ...facts }: LogLine, at: Date): void {
  const color = /down|refused|failed|unknown/.test(step)
    ? "red"
    : /retry|warning|resumed|put-back/.test(step)
      ? "yellow"
      : "green";
  const rest = Object.entries(facts).map(([name, value]) => `${name} ${value}`);
  console.log(`${at.toISOString().slice(11, 23)}  ${styleText(color, step.padEnd(14))}  ${rest.join("  ")}`);
}
