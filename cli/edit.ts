import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { styleText } from "node:util";
import type { Command } from "commander";
import { parse, stringify } from "yaml";
import type * as z from "zod";
import { isJsonObject, type Json, type JsonObject } from "../bridge/values/json.ts";
import { editAnswer } from "../ops/packets.ts";
import { packetStory } from "../ops/schemas.ts";
import { type OpsOptions, opsCommand, withOps } from "./api-client.ts";
import { lineOf } from "./format-packet.ts";
import { exitCodes, printJson, type SetExitCode } from "./output.ts";
import { askReason, confirm } from "./prompt.ts";

interface EditOptions extends OpsOptions {
  readonly set: readonly string[];
  readonly unset: readonly string[];
  readonly reason?: string;
  readonly yes?: true;
  readonly dryRun?: true;
}

type Story = z.output<typeof packetStory>;
type EditPreview = Extract<z.output<typeof editAnswer>, { kind: "trial" }>;

/** `bridge edit`: changes the fields of a held packet and sends it. */
export function edit(setExitCode: SetExitCode): Command {
  const collect = (one: string, all: string[]) => [...all, one];
  return opsCommand("edit", "change the fields of a held packet, in $EDITOR or with --set, and send it")
    .argument("<packet>", "pkt-…")
    .option(
      "--set <field=value>",
      "set a field to a JSON value, or to text if it is not JSON (repeatable)",
      collect,
      [],
    )
    .option("--unset <field>", "omit a field (repeatable)", collect, [])
    .option("--reason <text>", "the reason for the ledger; prompted for if omitted")
    .option("--dry-run", "show the result and change nothing")
    .option("--yes", "do not ask for confirmation")
    .addHelpText(
      "after",
      "\nGovernance checks the packet again with the current policy. If two people edit the same packet, the second edit is\n" +
        "rejected. The ledger records the operator, the reason and the field names, never a value.\n" +
        "\nExamples: bridge edit pkt-q3m7x2k5w4n6p8r2\n" +
        "          bridge edit pkt-q3m7x2k5w4n6p8r2 --set dailyRate=70 --reason 'wrong value in HMS' --yes",
    )
    .action(async (id: string, options: EditOptions) => {
      await withOps(options, { work: false }, async (client) => {
        const path = `/api/packets/${encodeURIComponent(id)}`;
        const story = await client.get(path, packetStory);
        const fields = editedFields(story, options);
        const body = { etag: story.etag, fields };
        const preview = await client.post(`${path}/edit`, { ...body, reason: "a trial", dryRun: true }, editAnswer);
        if (preview.kind !== "trial") throw new Error("the API applied the edit instead of returning a preview");
        if (!options.json) for (const line of previewLines(preview)) console.log(line);
        if (options.dryRun) {
          if (options.json) printJson(preview);
          if (preview.held !== undefined) setExitCode(exitCodes.no);
          return;
        }
        if (!(await confirm("Send the packet?", options.yes === true))) {
          console.error("bridge: canceled; nothing was changed");
          return setExitCode(exitCodes.no);
        }
        const reason = await askReason(options.reason);
        const done = await client.post(`${path}/edit`, { ...body, reason }, editAnswer);
        if (done.kind !== "done")
          throw new Error("the API returned a preview instead of applying the edit; nothing was changed");
        if (options.json) printJson(done.packet);
        else console.log(lineOf(done.packet));
        if (done.packet.status === "HELD") setExitCode(exitCodes.no);
      });
    });
}

function editedFields(story: Story, { set, unset }: EditOptions): JsonObject {
  const fields = Object.fromEntries(story.fields.map(({ name, value }) => [name, value]));
  if (set.length + unset.length === 0) return fromEditor(story, fields);
  for (const assignment of set) {
    const at = assignment.indexOf("=");
    if (at < 1) throw new TypeError("--set needs field=value: --set dailyRate=70");
    fields[assignment.slice(0, at)] = parseValue(assignment.slice(at + 1));
  }
  for (const name of unset) delete fields[name];
  return fields;
}

function parseValue(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return text;
  }
}

/** Lets the user edit the fields in an editor. The temporary file is readable by its owner only. */
function fromEditor({ id, target, connector, reason }: Story, fields: JsonObject): JsonObject {
  const folder = mkdtempSync(join(tmpdir(), "bridge-edit-"));
  const file = join(folder, `${id}.yaml`);
  const head = `# ${id} to ${target} (${connector}), held: ${reason ?? ""}\n# Fields that are not listed are not sent. Save and close the editor to continue.\n`;
  const [editor = "vi", ...args] = (process.env.VISUAL ?? process.env.EDITOR ?? "vi").split(" ");
  try {
    writeFileSync(file, head + stringify(fields), { mode: 0o600 });
    const { error, status } = spawnSync(editor, [...args, file], { stdio: "inherit" });
    if (error) throw new Error(`the editor ${editor} cannot be started; set EDITOR or use --set`, { cause: error });
    if (status !== 0) throw new Error(`the editor exited with code ${status}; nothing was changed`);
    let edited: unknown;
    try {
      edited = parse(readFileSync(file, "utf8"), { maxAliasCount: 20 });
    } catch {
      throw new TypeError("the saved file is not valid YAML; nothing was changed");
    }
    if (!isJsonObject(edited))
      throw new TypeError('the saved file has no fields; to drop the packet, use "bridge discard"');
    return edited;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function previewLines({ changes, governance, held }: EditPreview): string[] {
  return [
    ...changes.flatMap(({ field, before, after }) => [
      ...(before === undefined ? [] : [styleText("red", `- ${field}: ${JSON.stringify(before)}`)]),
      ...(after === undefined ? [] : [styleText("green", `+ ${field}: ${JSON.stringify(after)}`)]),
    ]),
    ...governance.map(({ action, field, rule }) => `  governance: ${action} ${field} (${rule})`),
    ...(held === undefined ? [] : [`  would be held again: ${held}`]),
  ];
}
