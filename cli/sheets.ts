import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import { Command } from "commander";
import { policyJsonSchema } from "../bridge/governance/policy.ts";
import { readSheet } from "../bridge/mapping/sheet-file.ts";
import { completeEvent, previewSheet } from "../bridge/mapping/try-sheet.ts";
import { sheetJsonSchema } from "../bridge/model/sheet-document.ts";
import type { JsonObject } from "../bridge/values/json.ts";
import { issueText } from "../bridge/values/yaml-file.ts";
import { loadCatalog } from "../library/bridge.ts";
import { Event } from "../library/event.ts";
import { readFolder, readTexts } from "../platform/local/sheet-watcher.ts";
import { exitCodes, plural, printJson, type SetExitCode } from "./output.ts";

interface Options {
  readonly mappings: string;
  readonly json?: true;
}

/** `bridge sheets`: checks, tests and previews mapping sheets. It needs no store. */
export function sheets(setExitCode: SetExitCode): Command {
  const command = (name: string, description: string) =>
    new Command(name)
      .description(description)
      .option("--mappings <folder>", "the mapping sheets' folder", process.env.BRIDGE_MAPPINGS ?? "mappings")
      .option("--json", "print JSON");
  return new Command("sheets")
    .description("check, test and preview mapping sheets")
    .addCommand(
      command("check", "check every sheet and the policy, and run the examples").action((options: Options) =>
        check(options, setExitCode),
      ),
    )
    .addCommand(
      command("test", "run the sheets' own examples").action((options: Options) => test(options, setExitCode)),
    )
    .addCommand(
      command("try", "show the packets a sheet would create from an event; nothing is sent")
        .argument("<sheet>", "mappings/per_diem.yaml")
        .requiredOption("--event <json>", "the event; id, source and time may be omitted")
        .action((file: string, options: Options & { event: string }) => previewFile(file, options, setExitCode)),
    )
    .addCommand(
      new Command("schema")
        .description("print the JSON Schema of a sheet, for editors")
        .option("--governance", "print the schema of governance.yaml instead")
        .action(({ governance }: { governance?: true }) =>
          printJson(governance ? policyJsonSchema() : sheetJsonSchema()),
        ),
    );
}

async function check({ mappings, json }: Options, setExitCode: SetExitCode): Promise<void> {
  const { sheets: reading, policyFault } = await readTexts(readFolder(mappings), await loadCatalog());
  const faults = [...reading.issues.map(issueText), ...(policyFault === undefined ? [] : [policyFault])];
  const warnings = reading.warnings.map(issueText);
  if (faults.length > 0) setExitCode(exitCodes.no);
  if (json) return printJson({ ok: faults.length === 0, sheets: reading.sheets.length, faults, warnings });
  for (const fault of faults) console.log(fault);
  for (const warning of warnings) console.log(`warning: ${warning}`);
  console.log(
    faults.length > 0
      ? `${plural(faults.length, "error")}; fix and run bridge sheets check again`
      : `${plural(reading.sheets.length, "sheet")}, no errors`,
  );
}

async function test({ mappings, json }: Options, setExitCode: SetExitCode): Promise<void> {
  const { sheets: reading } = await readTexts(readFolder(mappings), await loadCatalog());
  const results = reading.examples;
  const failed = results.filter(({ faults }) => faults.length > 0);
  const invalid = reading.issues.filter(({ ofExample }) => !ofExample).map(issueText);
  if (failed.length + invalid.length > 0) setExitCode(exitCodes.no);
  if (json) return printJson({ ok: failed.length + invalid.length === 0, results, faults: invalid });
  for (const { sheet, example, faults } of results) {
    console.log(`${faults.length > 0 ? "✗" : "✓"} ${sheet}: ${example}`);
    for (const fault of faults) console.log(`    ${fault}`);
  }
  for (const fault of invalid) console.log(fault);
  console.log(`${results.length - failed.length} of ${results.length} examples pass`);
}

async function previewFile(
  file: string,
  { event, json }: Options & { event: string },
  setExitCode: SetExitCode,
): Promise<void> {
  const reading = readSheet(file, readFileSync(file, "utf8"));
  if (!reading.ok) {
    for (const fault of reading.issues) console.error(issueText(fault));
    setExitCode(exitCodes.no);
    return;
  }
  const { policy } = await readTexts(readFolder(dirname(file)), await loadCatalog());
  const source = Event(completeEvent(parseEvent(event)) as never);
  const packets = await previewSheet(reading.sheet, source, { policy, nowMs: Date.now() });
  if (packets.some(({ held }) => held !== undefined)) setExitCode(exitCodes.no);
  if (json) return printJson(packets);
  if (packets.length === 0) console.log("no packets: the sheet does not match this event, or maps none of its fields");
  for (const { target, connector, entity, action, fields, unchanged, governance, held } of packets) {
    console.log(
      `${target} (${connector})  ${action} ${entity}  ${JSON.stringify(fields)}${held ? `  HELD: ${held}` : ""}`,
    );
    if (unchanged)
      console.log(`    unchanged: ${unchanged.join(", ")}; sent only if the target is not known to hold it`);
    for (const decision of governance)
      console.log(`    governance: ${decision.action} ${decision.field} (${decision.rule})`);
  }
}

function parseEvent(text: string): JsonObject {
  try {
    return JSON.parse(text) as JsonObject;
  } catch {
    throw new TypeError("--event is not valid JSON");
  }
}
