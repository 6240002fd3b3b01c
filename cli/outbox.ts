import { setTimeout } from "node:timers/promises";
import { type Command, Option } from "commander";
import type * as z from "zod";
import { openStatuses, type Status, statuses } from "../bridge/model/ledger-entry.ts";
import { type PageStart, pagesOf } from "../bridge/values/pagination.ts";
import { tallyAnswer } from "../ops/ledger.ts";
import { packetSummary, pageOf } from "../ops/schemas.ts";
import { ApiError, type OpsClient, type OpsOptions, opsCommand, pathOf, withOps } from "./api-client.ts";
import { lineOf } from "./format-packet.ts";
import { count, plural, printJson, timeIn } from "./output.ts";

interface OutboxOptions extends OpsOptions {
  readonly watch?: true;
  readonly text?: string;
  readonly entity?: string;
  readonly open?: true;
  readonly status?: readonly Status[];
  readonly connector?: string;
  readonly since?: string;
  readonly limit: number;
}

/** `bridge outbox`: lists packets with their status. */
export function outbox(): Command {
  return opsCommand("outbox", "list packets (sent, waiting or held), newest last")
    .option("--open", "only packets that are not closed")
    .addOption(new Option("--status <status...>", "only packets with these statuses").choices(statuses))
    .option("--connector <id>", "only packets of this connector: PayrollConnector@v1")
    .option("--since <time>", "only packets recorded since: 10m, 2h, 2026-12-01T00:00:00Z")
    .option("--entity <id>", "only packets of this record")
    .option(
      "--text <text>",
      "only packets with this text in id, event, type, sheet, target, connector, record or reason",
    )
    .option("--limit <count>", "list at most this many packets", count, 50)
    .option("--watch", "then print each packet that changes, until Ctrl-C")
    .action(async (options: OutboxOptions) => {
      await withOps(options, { work: false, sheets: "if good" }, (client) => listPackets(client, options));
    });
}

type Summary = z.output<typeof packetSummary>;

/** Polling interval of `--watch`. */
const pollMs = 1_000;

/** Lists packets. With `--watch`, keeps printing packets that change. */
async function listPackets(client: OpsClient, options: OutboxOptions): Promise<void> {
  const shown = new Map<string, string>();
  const printChanged = async () => {
    const changed = (await newest(client, options)).filter((packet) => shown.get(packet.id) !== stateOf(packet));
    for (const packet of changed) shown.set(packet.id, stateOf(packet));
    if (!options.json) for (const packet of changed) console.log(lineOf(packet));
    else if (options.watch) for (const packet of changed) console.log(JSON.stringify(packet));
    else printJson(changed);
  };
  await printChanged();
  if (!options.watch) return options.json ? undefined : printTotals(client);
  const ended = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => ended.abort());
  while (!ended.signal.aborted) {
    await setTimeout(pollMs, undefined, { signal: ended.signal }).catch(() => {});
    if (!ended.signal.aborted) await printChanged();
  }
}

/** Prints the number of all packets by status. Prints nothing on AWS, where the API does not count packets. */
async function printTotals(client: OpsClient): Promise<void> {
  const tally = await client.get("/api/tally", tallyAnswer).catch((error: unknown) => {
    if (!(error instanceof ApiError)) throw error;
  });
  if (!tally) return;
  const { packets, givenUp } = tally;
  const totals = statuses.filter((status) => packets[status] > 0).map((status) => `${packets[status]} ${status}`);
  if (givenUp > 0) {
    console.log(
      `\n${plural(givenUp, "event")} could not be mapped after repeated attempts. Find accept-failed in the log of bridge serve, fix the cause, and restart bridge serve.`,
    );
  }
  console.log(
    totals.length > 0 ? `\ntotal: ${totals.join(", ")}` : 'no packets yet; publish an event with "bridge emit"',
  );
}

/** Returns the newest packets up to the limit, oldest first. */
async function newest(client: OpsClient, options: OutboxOptions): Promise<Summary[]> {
  const { status, open, connector, since, limit, entity, text } = options;
  const from = since === undefined ? undefined : timeIn(since, Date.now()).toISOString();
  const query = { status: status ?? (open ? openStatuses : undefined), connector, entity, text, from };
  const found: Summary[] = [];
  const read = (from: PageStart) => {
    const page = { ...query, limit: Math.min(200, limit - found.length), ...from };
    return client.get(pathOf("/api/packets", page), pageOf(packetSummary));
  };
  for await (const { items } of pagesOf(read)) {
    found.push(...items);
    if (found.length >= limit) break;
  }
  return found.reverse();
}

function stateOf({ status, tries, reason, place }: Summary): string {
  return [status, tries, reason, place].join(" ");
}
