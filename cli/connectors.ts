import { Command } from "commander";
import * as z from "zod";
import { inWords } from "../bridge/observability/describe.ts";
import { declarationJsonSchema } from "../connectors/protocols/declarative/declaration-file.ts";
import { connectorView, pauseAnswer } from "../ops/connectors.ts";
import { type OpsOptions, opsCommand, withOps } from "./api-client.ts";
import { connectorSecret } from "./connector-secret.ts";
import { newConnector } from "./new-connector.ts";
import { printJson, table } from "./output.ts";
import { reasonOf } from "./prompt.ts";

interface TurnOptions extends OpsOptions {
  readonly reason?: string;
}

type View = z.output<typeof connectorView>;

/** `bridge connectors`: what the bridge can talk to, and how each target is. */
export function connectors(): Command {
  return opsCommand("connectors", "list connectors: health, what waits, lag and window; pause and resume them")
    .addCommand(turn("pause", "send nothing to a target: its packets wait in the outbox"))
    .addCommand(turn("resume", "send to a paused target again, its outbox first"))
    .addCommand(newConnector())
    .addCommand(connectorSecret())
    .addCommand(schema())
    .action(async (options: OpsOptions) => {
      await withOps(options, { work: false, sheets: "if good" }, async (client) => {
        const { items } = await client.get("/api/connectors", z.object({ items: z.array(connectorView) }));
        if (options.json) return printJson(items.map(({ id, ...view }) => ({ connector: id, ...view })));
        const head = ["CONNECTOR", "HEALTH", "LANE", "OUTBOX", "HELD", "LAG P95", "WINDOW", "ORDER", "CONFIGURED"];
        console.log(table(head, items.map(cells)));
        for (const { id, pause } of items) if (pause) console.log(`${id} was paused by ${pause.actor}: ${pause.why}`);
      });
    });
}

function cells({ id, health, lane, outbox, held, lag, windowMs, breachedSince, order, ready }: View): string[] {
  const window = `${inWords(windowMs)}${breachedSince === undefined ? "" : " breached"}`;
  const p95 = lag === undefined ? "" : inWords(lag.p95);
  return [id, health, String(lane), String(outbox), String(held), p95, window, order, ready ?? ""];
}

function turn(act: "pause" | "resume", description: string): Command {
  return opsCommand(act, description)
    .argument("<connector>", "PayrollConnector, WorkForceNow@v2")
    .option("--reason <text>", "why, for the ledger; else it is asked for")
    .action(async (called: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<TurnOptions>();
      const reason = await reasonOf(options.reason);
      await withOps(options, { work: false, sheets: "if good" }, async (client) => {
        const path = `/api/connectors/${encodeURIComponent(called)}/${act}`;
        const { connector, changed, paused } = await client.post(path, { reason }, pauseAnswer);
        if (options.json) return printJson({ connector, changed, paused });
        const now = paused ? "paused" : "not paused";
        console.log(changed ? `${connector} is ${now} now` : `${connector} was ${now} already`);
      });
    });
}

/** `bridge connectors schema`: what a file may hold that declares a connector. */
function schema(): Command {
  return new Command("schema")
    .description("print the JSON Schema of a declared connector, for editors")
    .action(() => printJson(declarationJsonSchema()));
}
