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
import { type End, exitCodes, printJson } from "./output.ts";
import { confirmed, reasonOf } from "./prompt.ts";

interface EditOptions extends OpsOptions {
  readonly set: readonly string[];
  readonly unset: readonly string[];
  readonly reason?: string;
  readonly yes?: true;
  readonly dryRun?: true;
}

type Story = z.output<typeof packetStory>;
type Trial = Extract<z.output<typeof editAnswer>, { kind: "trial" }>;

/** `bridge edit`: gives a held packet other fields, and sends it. */
export function edit(end: End): Command {
  const again = (one: string, all: string[]) => [...all, one];
  return opsCommand("edit", "give a held packet other fields, in $EDITOR or by --set, and send it")
    .argument("<packet>", "pkt-…")
    .option("--set <field=value>", "a field's new value, as JSON or else as a text; may be given again", again, [])
    .option("--unset <field>", "a field that is not to be sent; may be given again", again, [])
    .option("--reason <text>", "why, for the ledger; else it is asked for")
    .option("--dry-run", "only say what it would come to")
    .option("--yes", "do not ask")
    .addHelpText(
      "after",
      "\nGovernance sees it again, by the policy of today. Of two who edit the same packet one wins, and the other is\n" +
        "told. The ledger keeps who, why and which fields, never a value.\n" +
        "\nExamples: bridge edit pkt-q3m7x2k5w4n6p8r2\n" +
        "          bridge edit pkt-q3m7x2k5w4n6p8r2 --set dailyRate=70 --reason 'typed wrong in HMS' --yes",
    )
    .action(async (id: string, options: EditOptions) => {
      await withOps(options, { work: false }, async (client) => {
        const path = `/api/packets/${encodeURIComponent(id)}`;
        const story = await client.get(path, packetStory);
        const fields = wantedIn(story, options);
        const body = { etag: story.etag, fields };
        const trial = await client.post(`${path}/edit`, { ...body, reason: "a trial", dryRun: true }, editAnswer);
        if (trial.kind !== "trial") throw new Error("the API did what it should only have tried");
        if (!options.json) for (const line of trialLines(trial)) console.log(line);
        if (options.dryRun) {
          if (options.json) printJson(trial);
          if (trial.held !== undefined) end(exitCodes.no);
          return;
        }
        if (!(await confirmed("Send it?", options.yes === true))) {
          console.error("bridge: nothing was done");
          return end(exitCodes.no);
        }
        const reason = await reasonOf(options.reason);
        const done = await client.post(`${path}/edit`, { ...body, reason }, editAnswer);
        if (done.kind !== "done") throw new Error("the API only tried what it should have done");
        if (options.json) printJson(done.packet);
        else console.log(lineOf(done.packet));
        if (done.packet.status === "HELD") end(exitCodes.no);
      });
    });
}

function wantedIn(story: Story, { set, unset }: EditOptions): JsonObject {
  const fields = Object.fromEntries(story.fields.map(({ name, value }) => [name, value]));
  if (set.length + unset.length === 0) return fromEditor(story, fields);
  for (const given of set) {
    const at = given.indexOf("=");
    if (at < 1) throw new TypeError("--set takes a field, = and its value: --set dailyRate=70");
    fields[given.slice(0, at)] = valueIn(given.slice(at + 1));
  }
  for (const name of unset) delete fields[name];
  return fields;
}

function valueIn(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return text;
  }
}

/** The fields lie in a file only its owner can read, for as long as the editor is open. */
function fromEditor({ id, target, connector, reason }: Story, fields: JsonObject): JsonObject {
  const folder = mkdtempSync(join(tmpdir(), "bridge-edit-"));
  const file = join(folder, `${id}.yaml`);
  const head = `# ${id} to ${target} (${connector}), held: ${reason ?? ""}\n# What is not here is not sent. Save and leave to go on.\n`;
  const [editor = "vi", ...args] = (process.env.VISUAL ?? process.env.EDITOR ?? "vi").split(" ");
  try {
    writeFileSync(file, head + stringify(fields), { mode: 0o600 });
    const { error, status } = spawnSync(editor, [...args, file], { stdio: "inherit" });
    if (error) throw new Error(`the editor ${editor} cannot be started; set EDITOR, or use --set`, { cause: error });
    if (status !== 0) throw new Error(`the editor ended with ${status}; nothing was done`);
    let edited: unknown;
    try {
      edited = parse(readFileSync(file, "utf8"), { maxAliasCount: 20 });
    } catch {
      throw new TypeError("what was saved is not YAML; nothing was done");
    }
    if (!isJsonObject(edited)) throw new TypeError("what was saved holds no fields; to drop the packet, discard it");
    return edited;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function trialLines({ changes, governance, held }: Trial): string[] {
  return [
    ...changes.flatMap(({ field, before, after }) => [
      ...(before === undefined ? [] : [styleText("red", `- ${field}: ${JSON.stringify(before)}`)]),
      ...(after === undefined ? [] : [styleText("green", `+ ${field}: ${JSON.stringify(after)}`)]),
    ]),
    ...governance.map(({ action, field, rule }) => `  governance: ${action} ${field} (${rule})`),
    ...(held === undefined ? [] : [`  it would be held again: ${held}`]),
  ];
}
