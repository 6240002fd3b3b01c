import { type Command, Option } from "commander";
import type * as z from "zod";
import { bulkAnswer } from "../ops/jobs.ts";
import { doneAnswer } from "../ops/packets.ts";
import { type OpsClient, type OpsOptions, opsCommand, withOps } from "./api-client.ts";
import { lineOf } from "./format-packet.ts";
import { waitForJob } from "./jobs.ts";
import { count, exitCodes, plural, printJson, type SetExitCode, timeIn } from "./output.ts";
import { askReason, confirm } from "./prompt.ts";

interface ReleaseOptions extends OpsOptions {
  readonly all?: true;
  readonly connector?: string;
  readonly sheetName?: string;
  readonly entity?: string;
  readonly text?: string;
  readonly since?: string;
  readonly until?: string;
  readonly sheet?: "pinned" | "current";
  readonly reason?: string;
  readonly perSecond?: number;
  readonly dryRun?: true;
  readonly yes?: true;
}

type Action = "release" | "discard";
type BulkPreview = Extract<z.output<typeof bulkAnswer>, { kind: "trial" }>;

/** Context in which one command runs its action. */
interface ActionContext {
  readonly client: OpsClient;
  readonly action: Action;
  readonly options: ReleaseOptions;
  readonly setExitCode: SetExitCode;
}

function actionCommand(action: Action, description: string, setExitCode: SetExitCode): Command {
  return opsCommand(action, description)
    .argument("[packet...]", "pkt-…")
    .option("--all", "all held packets that match the filters")
    .option("--connector <id>", "with --all: only packets of this connector")
    .option("--sheet-name <name>", "with --all: only packets of this sheet")
    .option("--entity <id>", "with --all: only packets of this record")
    .option(
      "--text <text>",
      "with --all: only packets with this text in id, event, type, sheet, target, connector, record or reason",
    )
    .option("--since <time>", "with --all: only packets recorded since: 10m, 2h, 2026-12-01T00:00:00Z")
    .option("--until <time>", "with --all: only packets recorded before this time")
    .option("--per-second <packets>", "with --all: at most this many packets per second", count)
    .option("--dry-run", "with --all: show the result and change nothing")
    .option("--reason <text>", "the reason for the ledger; prompted for if omitted")
    .option("--yes", "do not ask for confirmation")
    .action((ids: readonly string[], options: ReleaseOptions) => {
      if ((ids.length === 0) === (options.all === undefined)) {
        throw new TypeError(`give either packet ids or --all; bridge ${action} --help shows both`);
      }
      return withOps(options, { work: true }, (client) => {
        const context = { client, action, options, setExitCode };
        return options.all ? runOnAll(context) : runOnEach(context, ids);
      });
    });
}

/** `bridge release`: releases held packets. */
export function release(setExitCode: SetExitCode): Command {
  return actionCommand("release", "release held packets, so they are sent again", setExitCode)
    .addOption(
      new Option(
        "--sheet <which>",
        "pinned: the packet as created; current: map its event again with the current sheet",
      )
        .choices(["pinned", "current"])
        .default("pinned"),
    )
    .addHelpText(
      "after",
      "\nGovernance checks each packet again with the current policy; packets that it blocks stay held.\n" +
        "\nExamples: bridge release pkt-q3m7x2k5w4n6p8r2 --reason 'payroll has fixed it'\n" +
        "          bridge release --all --connector PayrollConnector --dry-run\n" +
        "          bridge release --all --sheet-name telework --sheet current --reason 'the sheet is fixed'",
    );
}

/** `bridge discard`: closes packets for good. */
export function discard(setExitCode: SetExitCode): Command {
  const description = "close packets for good; they are not sent, and replays skip them";
  return actionCommand("discard", description, setExitCode).addHelpText(
    "after",
    "\nIf a discarded packet was the head of a strict lane, the packets behind it continue.\n" +
      "\nExamples: bridge discard pkt-q3m7x2k5w4n6p8r2 --reason 'a test record'\n" +
      "          bridge discard --all --entity badge-17 --reason 'the record was created by mistake'",
  );
}

async function runOnEach(context: ActionContext, ids: readonly string[]): Promise<void> {
  const { client, action, options, setExitCode } = context;
  const reason = await askReason(options.reason);
  const verb = action === "release" ? "replay" : "discard";
  const packets: z.output<typeof doneAnswer>["packet"][] = [];
  for (const id of ids) {
    const body = { reason, ...(action === "release" && { sheet: options.sheet }) };
    const { packet } = await client.post(`/api/packets/${encodeURIComponent(id)}/${verb}`, body, doneAnswer);
    packets.push(packet);
    if (!options.json) console.log(lineOf(packet));
  }
  if (options.json) printJson(packets);
  if (packets.some(({ status }) => status === "HELD")) setExitCode(exitCodes.no);
}

async function runOnAll({ client, action, options, setExitCode }: ActionContext): Promise<void> {
  const { connector, sheetName, entity, text, since, until, sheet, perSecond, json, dryRun } = options;
  const time = (text: string | undefined) => text && timeIn(text, Date.now()).toISOString();
  const filter = { connector, sheet: sheetName, entity, text, from: time(since), to: time(until) };
  const body = { act: action, filter, ...(action === "release" && { sheet }), perSecond };
  const preview = await client.post("/api/bulk", { ...body, reason: "a trial", dryRun: true }, bulkAnswer);
  if (preview.kind !== "trial") throw new Error("the API started the job instead of returning a preview");
  if (!json) for (const line of previewLines(action, preview)) console.log(line);
  if (dryRun) {
    if (json) printJson(preview);
    return;
  }
  if (preview.made === 0) {
    if (json) printJson(preview);
    return setExitCode(exitCodes.no);
  }
  const question = `${action === "release" ? "Release" : "Discard"} ${plural(preview.made, "packet")}?`;
  if (!(await confirm(question, options.yes === true))) {
    console.error("bridge: canceled; nothing was changed");
    return setExitCode(exitCodes.no);
  }
  const started = await client.post("/api/bulk", { ...body, reason: await askReason(options.reason) }, bulkAnswer);
  if (started.kind !== "job")
    throw new Error("the API returned a preview instead of starting the job; nothing was changed");
  const job = await waitForJob(client, started.job.id);
  const done = action === "release" ? "released" : "discarded";
  if (json) printJson(job);
  else console.log(`${plural(job.made, "packet")} ${done} (${job.id} is ${job.status})`);
  if (job.status !== "DONE") setExitCode(exitCodes.couldNot);
}

/** Labels for the API's results. A reason to hold or refuse a packet is shown unchanged. */
const resultLabels: Readonly<Record<string, string>> = {
  goes: "would be released",
  "is discarded": "would be discarded",
};

function previewLines(action: Action, { looked, made, held, refused, samples }: BulkPreview): string[] {
  return [
    ...samples.slice(0, 5).map(({ packet, fate }) => `${lineOf(packet)}  ${resultLabels[fate] ?? fate}`),
    `${plural(looked, "held packet")} found; ${made} would be ${action === "release" ? "released" : "discarded"}`,
    ...(held > 0 ? [`  ${held} of these would be held again`] : []),
    ...Object.entries(refused).map(([why, packets]) => `  ${packets} would stay held: ${why}`),
  ];
}
