import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import { Command } from "commander";
import { policyJsonSchema } from "../bridge/governance/policy.ts";
import { readSheet } from "../bridge/mapping/sheet-file.ts";
import { completeEvent, previewSheet } from "../bridge/mapping/try-sheet.ts";
import { sheetJsonSchema } from "../bridge/model/sheet-document.ts";
import type { JsonObject } from "../bridge/values/json.ts";
import { issueText } from "../bridge/values/yaml-file.ts";
import { ownCatalog } from "../library/bridge.ts";
import { Event } from "../library/event.ts";
import { readFolder, readTexts } from "../platform/local/sheet-watcher.ts";
import { type End, exitCodes, printJson } from "./output.ts";

interface Options {
  readonly mappings: string;
  readonly json?: true;
}

/** `bridge sheets`: everything about mapping sheets; nothing here touches a store. */
export function sheets(end: End): Command {
  const command = (name: string, description: string) =>
    new Command(name)
      .description(description)
      .option("--mappings <folder>", "the mapping sheets", process.env.BRIDGE_MAPPINGS ?? "mappings")
      .option("--json", "answer as JSON");
  return new Command("sheets")
    .description("check, test and try mapping sheets")
    .addCommand(
      command("check", "check every sheet and the policy; run the examples").action((options: Options) =>
        check(options, end),
      ),
    )
    .addCommand(command("test", "run the sheets' own examples").action((options: Options) => test(options, end)))
    .addCommand(
      command("try", "show the packets a sheet would make of an event; nothing is sent")
        .argument("<sheet>", "mappings/per_diem.yaml")
        .requiredOption("--event <json>", "the event; id, source and time may be left out")
        .action((file: string, options: Options & { event: string }) => tryOne(file, options, end)),
    )
    .addCommand(
      new Command("schema")
        .description("print the JSON Schema of a sheet, for an editor")
        .option("--governance", "of governance.yaml instead")
        .action(({ governance }: { governance?: true }) =>
          printJson(governance ? policyJsonSchema() : sheetJsonSchema()),
        ),
    );
}

async function check({ mappings, json }: Options, end: End): Promise<void> {
  const { sheets: reading, policyFault } = await readTexts(readFolder(mappings), await ownCatalog());
  const faults = [...reading.faults.map(issueText), ...(policyFault === undefined ? [] : [policyFault])];
  const warnings = reading.warnings.map(issueText);
  if (faults.length > 0) end(exitCodes.no);
  if (json) return printJson({ ok: faults.length === 0, sheets: reading.sheets.length, faults, warnings });
  for (const fault of faults) console.log(fault);
  for (const warning of warnings) console.log(`${warning} (a warning)`);
  console.log(
    faults.length > 0
      ? `${faults.length} fault${faults.length === 1 ? "" : "s"}`
      : `${reading.sheets.length} sheets, all good`,
  );
}

async function test({ mappings, json }: Options, end: End): Promise<void> {
  const { sheets: reading } = await readTexts(readFolder(mappings), await ownCatalog());
  const results = reading.examples;
  const failed = results.filter(({ faults }) => faults.length > 0);
  const unread = reading.faults.filter(({ ofExample }) => !ofExample).map(issueText);
  if (failed.length + unread.length > 0) end(exitCodes.no);
  if (json) return printJson({ ok: failed.length + unread.length === 0, results, faults: unread });
  for (const { sheet, example, faults } of results) {
    console.log(`${faults.length > 0 ? "✗" : "✓"} ${sheet}: ${example}`);
    for (const fault of faults) console.log(`    ${fault}`);
  }
  for (const fault of unread) console.log(fault);
  console.log(`${results.length - failed.length} of ${results.length} examples pass`);
}

async function tryOne(file: string, { event, json }: Options & { event: string }, end: End): Promise<void> {
  const reading = readSheet(file, readFileSync(file, "utf8"));
  if (!reading.ok) {
    for (const fault of reading.faults) console.error(issueText(fault));
    end(exitCodes.no);
    return;
  }
  const { policy } = await readTexts(readFolder(dirname(file)), await ownCatalog());
  const source = Event(completeEvent(parsed(event)) as never);
  const packets = await previewSheet(reading.sheet, source, { policy, nowMs: Date.now() });
  if (packets.some(({ held }) => held !== undefined)) end(exitCodes.no);
  if (json) return printJson(packets);
  if (packets.length === 0) console.log("no packet: the sheet is for other events, or nothing changed");
  for (const { target, connector, entity, action, fields, governance, held } of packets) {
    console.log(
      `${target} (${connector})  ${action} ${entity}  ${JSON.stringify(fields)}${held ? `  HELD: ${held}` : ""}`,
    );
    for (const decision of governance)
      console.log(`    governance: ${decision.action} ${decision.field} (${decision.rule})`);
  }
}

function parsed(text: string): JsonObject {
  try {
    return JSON.parse(text) as JsonObject;
  } catch {
    throw new TypeError("--event is not JSON");
  }
}
