import { type Command, Option } from "commander";
import type * as z from "zod";
import { bulkAnswer } from "../ops/jobs.ts";
import { doneAnswer } from "../ops/packets.ts";
import { type OpsClient, type OpsOptions, opsCommand, withOps } from "./api-client.ts";
import { lineOf } from "./format-packet.ts";
import { jobOver } from "./jobs.ts";
import { count, type End, exitCodes, printJson, timeIn } from "./output.ts";
import { confirmed, reasonOf } from "./prompt.ts";

interface HeldOptions extends OpsOptions {
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

type Act = "release" | "discard";
type Trial = Extract<z.output<typeof bulkAnswer>, { kind: "trial" }>;

function heldCommand(act: Act, description: string, end: End): Command {
  return opsCommand(act, description)
    .argument("[packet...]", "pkt-…")
    .option("--all", "or all held packets that fit")
    .option("--connector <id>", "with --all: only of this connector")
    .option("--sheet-name <name>", "with --all: only of this sheet")
    .option("--entity <id>", "with --all: only of this record")
    .option("--text <text>", "with --all: with this in id, event, type, sheet, target, connector, record or reason")
    .option("--since <time>", "with --all: only recorded since: 10m, 2h, 2026-12-01T00:00:00Z")
    .option("--until <time>", "with --all: only recorded before")
    .option("--per-second <packets>", "with --all: so many a second at most", count)
    .option("--dry-run", "with --all: say what would become of them, and do nothing")
    .option("--reason <text>", "why, for the ledger; else it is asked for")
    .option("--yes", "do not ask")
    .action((ids: readonly string[], options: HeldOptions) => {
      if ((ids.length === 0) === (options.all === undefined)) {
        throw new TypeError(`give packets, or --all; bridge ${act} --help shows both`);
      }
      return withOps(options, { work: true }, (client) =>
        options.all ? actOnAll(client, act, options, end) : actOnEach(client, act, ids, options, end),
      );
    });
}

/** `bridge release`: lets held packets go again. */
export function release(end: End): Command {
  return heldCommand("release", "let held packets go again, as they were made or as today's sheets make them", end)
    .addOption(
      new Option("--sheet <which>", "the packet as it was made, or what today's sheet makes of its event")
        .choices(["pinned", "current"])
        .default("pinned"),
    )
    .addHelpText(
      "after",
      "\nGovernance sees each again, by the policy of today; what that blocks stays held.\n" +
        "\nExamples: bridge release pkt-q3m7x2k5w4n6p8r2 --reason 'payroll has mended it'\n" +
        "          bridge release --all --connector PayrollConnector --dry-run\n" +
        "          bridge release --all --sheet-name telework --sheet current --reason 'the sheet is mended'",
    );
}

/** `bridge discard`: closes packets for good. */
export function discard(end: End): Command {
  return heldCommand("discard", "close packets for good: they are not sent, and no replay sends them", end).addHelpText(
    "after",
    "\nWhat waits behind one in a strict lane goes on.\n" +
      "\nExamples: bridge discard pkt-q3m7x2k5w4n6p8r2 --reason 'a test record'\n" +
      "          bridge discard --all --entity badge-17 --reason 'the record was made by mistake'",
  );
}

async function actOnEach(client: OpsClient, act: Act, ids: readonly string[], options: HeldOptions, end: End) {
  const reason = await reasonOf(options.reason);
  const verb = act === "release" ? "replay" : "discard";
  const packets: z.output<typeof doneAnswer>["packet"][] = [];
  for (const id of ids) {
    const body = { reason, ...(act === "release" && { sheet: options.sheet }) };
    const { packet } = await client.post(`/api/packets/${encodeURIComponent(id)}/${verb}`, body, doneAnswer);
    packets.push(packet);
    if (!options.json) console.log(lineOf(packet));
  }
  if (options.json) printJson(packets);
  if (packets.some(({ status }) => status === "HELD")) end(exitCodes.no);
}

async function actOnAll(client: OpsClient, act: Act, options: HeldOptions, end: End): Promise<void> {
  const { connector, sheetName, entity, text, since, until, sheet, perSecond, json, dryRun } = options;
  const time = (given: string | undefined) => given && timeIn(given, Date.now()).toISOString();
  const filter = { connector, sheet: sheetName, entity, text, from: time(since), to: time(until) };
  const body = { act, filter, ...(act === "release" && { sheet }), perSecond };
  const trial = await client.post("/api/bulk", { ...body, reason: "a trial", dryRun: true }, bulkAnswer);
  if (trial.kind !== "trial") throw new Error("the API did what it should only have tried");
  if (!json) for (const line of trialLines(act, trial)) console.log(line);
  if (dryRun) {
    if (json) printJson(trial);
    return;
  }
  if (trial.made === 0) {
    if (json) printJson(trial);
    return end(exitCodes.no);
  }
  if (
    !(await confirmed(
      `${act === "release" ? "Let" : "Discard"} ${trial.made} packets${act === "release" ? " go" : ""}?`,
      options.yes === true,
    ))
  ) {
    console.error("bridge: nothing was done");
    return end(exitCodes.no);
  }
  const begun = await client.post("/api/bulk", { ...body, reason: await reasonOf(options.reason) }, bulkAnswer);
  if (begun.kind !== "job") throw new Error("the API only tried what it should have done");
  const job = await jobOver(client, begun.job.id);
  if (json) printJson(job);
  else console.log(`${job.made} packets ${act === "release" ? "let go" : "discarded"} (${job.id} is ${job.status})`);
  if (job.status !== "DONE") end(exitCodes.couldNot);
}

function trialLines(act: Act, { looked, made, held, refused, samples }: Trial): string[] {
  return [
    ...samples.slice(0, 5).map(({ packet, fate }) => `${lineOf(packet)}  ${fate}`),
    `${looked} held packets fit; ${made} ${act === "release" ? "can go" : "would be discarded"}`,
    ...(held > 0 ? [`  ${held} of them would be held again`] : []),
    ...Object.entries(refused).map(([why, packets]) => `  ${packets} stay held: ${why}`),
  ];
}
