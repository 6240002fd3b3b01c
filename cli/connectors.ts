import { Command } from "commander";
import type * as z from "zod";
import { inWords } from "../bridge/observability/describe.ts";
import { declarationJsonSchema } from "../connectors/protocols/declarative/declaration-file.ts";
import { confirmAnswer, connectorList, type connectorView, pauseAnswer } from "../ops/connectors.ts";
import { type OpsOptions, opsCommand, withOps } from "./api-client.ts";
import { connectorSecret } from "./connector-secret.ts";
import { newConnector } from "./new-connector.ts";
import { plural, printJson, table } from "./output.ts";
import { askReason } from "./prompt.ts";

interface PauseOptions extends OpsOptions {
  readonly reason?: string;
}

type View = z.output<typeof connectorView>;

/** `bridge connectors`: lists connectors with the state of their targets, and manages them. */
export function connectors(): Command {
  return opsCommand(
    "connectors",
    "list connectors with health, queues, lag and consistency window; pause and resume them",
  )
    .addCommand(switchPause("pause", "stop sending to a target; its packets wait in the outbox"))
    .addCommand(switchPause("resume", "resume sending to a paused target, outbox first"))
    .addCommand(confirm())
    .addCommand(newConnector())
    .addCommand(connectorSecret())
    .addCommand(schema())
    .action(async (options: OpsOptions) => {
      await withOps(options, { work: false, sheets: "if good" }, async (client) => {
        const { items, missing = [] } = await client.get("/api/connectors", connectorList);
        if (options.json) return printJson(items.map(({ id, ...view }) => ({ connector: id, ...view })));
        const head = ["CONNECTOR", "HEALTH", "LANE", "OUTBOX", "HELD", "LAG P95", "WINDOW", "ORDER", "CONFIGURED"];
        console.log(table(head, items.map(cells)));
        for (const { id, pause, moved } of items) {
          if (pause) console.log(`${id} was paused by ${pause.actor}: ${pause.why}`);
          if (moved) console.log(movedText(id, moved.why));
        }
        for (const { id, waiting, held } of missing) console.log(missingText(id, waiting, held));
      });
    });
}

function cells({ id, health, lane, outbox, held, lag, windowMs, breachedSince, order, ready }: View): string[] {
  const window = `${inWords(windowMs)}${breachedSince === undefined ? "" : " breached"}`;
  const p95 = lag === undefined ? "" : inWords(lag.p95);
  return [id, health, String(lane), String(outbox), String(held), p95, window, order, ready ?? ""];
}

function switchPause(operation: "pause" | "resume", description: string): Command {
  return opsCommand(operation, description)
    .argument("<connector>", "PayrollConnector, WorkForceNow@v2")
    .option("--reason <text>", "the reason for the ledger; prompted for if omitted")
    .action(async (reference: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<PauseOptions>();
      const reason = await askReason(options.reason);
      await withOps(options, { work: false, sheets: "if good" }, async (client) => {
        const path = `/api/connectors/${encodeURIComponent(reference)}/${operation}`;
        const { connector, changed, paused } = await client.post(path, { reason }, pauseAnswer);
        if (options.json) return printJson({ connector, changed, paused });
        const state = paused ? "paused" : "active";
        console.log(changed ? `${connector} is now ${state}` : `${connector} was already ${state}`);
      });
    });
}

function movedText(id: string, why: string): string {
  return [
    `${id} sends nothing: ${why}`,
    `  another system, which gets everything again: bridge shadow forget ${id}`,
    `  the same system under a new address: bridge connectors confirm ${id}`,
  ].join("\n");
}

function missingText(id: string, waiting: number, held: number): string {
  return [
    `${id} is not installed any more; ${plural(waiting, "packet")} of it wait, ${held} are held`,
    "  to send them: install the connector again and restart the bridge",
    `  to drop them: bridge discard --all --connector ${id}`,
  ].join("\n");
}

function confirm(): Command {
  return opsCommand("confirm", "confirm that a connector's changed address leads to the same system as before")
    .argument("<connector>", "PayrollConnector, WorkForceNow@v2")
    .option("--reason <text>", "the reason for the ledger; prompted for if omitted")
    .addHelpText("after", "\nIf the address leads to another system: bridge shadow forget <connector>")
    .action(async (reference: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<PauseOptions>();
      const reason = await askReason(options.reason);
      await withOps(options, { work: false, sheets: "if good" }, async (client) => {
        const path = `/api/connectors/${encodeURIComponent(reference)}/confirm`;
        const result = await client.post(path, { reason }, confirmAnswer);
        if (options.json) return printJson(result);
        console.log(`the address of ${result.connector} is confirmed; its outbox is sent first`);
      });
    });
}

/** `bridge connectors schema`: prints the JSON Schema of a connector declared in YAML. */
function schema(): Command {
  return new Command("schema")
    .description("print the JSON Schema of a connector declared in YAML, for editors")
    .action(() => printJson(declarationJsonSchema()));
}
