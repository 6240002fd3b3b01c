import { setTimeout } from "node:timers/promises";
import { type Command, Option } from "commander";
import type * as z from "zod";
import { openStatuses, type Status, statuses } from "../bridge/model/ledger-entry.ts";
import { type From, pagesOf } from "../bridge/values/pagination.ts";
import { tallyAnswer } from "../ops/ledger.ts";
import { packetSummary, pageOf } from "../ops/schemas.ts";
import { ApiError, type OpsClient, type OpsOptions, opsCommand, pathOf, withOps } from "./api-client.ts";
import { lineOf } from "./format-packet.ts";
import { count, printJson, timeIn } from "./output.ts";

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

/** `bridge outbox`: the packets and how they stand. */
export function outbox(): Command {
  return opsCommand("outbox", "list packets: sent, waiting, held; the newest last")
    .option("--open", "only those not closed yet")
    .addOption(new Option("--status <status...>", "only these").choices(statuses))
    .option("--connector <id>", "only of this connector, such as PayrollConnector@v1")
    .option("--since <time>", "only recorded since: 10m, 2h, 2026-12-01T00:00:00Z")
    .option("--entity <id>", "only of this record")
    .option("--text <text>", "only with this in id, event, type, sheet, target, connector, record or reason")
    .option("--limit <count>", "at most so many", count, 50)
    .option("--watch", "and then each that changes, until Ctrl-C")
    .action(async (options: OutboxOptions) => {
      await withOps(options, { work: false, sheets: "if good" }, (client) => listed(client, options));
    });
}

type Summary = z.output<typeof packetSummary>;

/** How often it is looked whether a packet has changed. */
const lookMs = 1_000;

/** Lists packets by way of the API, and goes on with those that change where that is asked for. */
async function listed(client: OpsClient, options: OutboxOptions): Promise<void> {
  const shown = new Map<string, string>();
  const tell = async () => {
    const changed = (await newest(client, options)).filter((packet) => shown.get(packet.id) !== stateOf(packet));
    for (const packet of changed) shown.set(packet.id, stateOf(packet));
    if (!options.json) for (const packet of changed) console.log(lineOf(packet));
    else if (options.watch) for (const packet of changed) console.log(JSON.stringify(packet));
    else printJson(changed);
  };
  await tell();
  if (!options.watch) return options.json ? undefined : tellSums(client);
  const ended = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => ended.abort());
  while (!ended.signal.aborted) {
    await setTimeout(lookMs, undefined, { signal: ended.signal }).catch(() => {});
    if (!ended.signal.aborted) await tell();
  }
}

/** All packets there are, counted. On AWS that is the dashboard's. */
async function tellSums(client: OpsClient): Promise<void> {
  const tally = await client.get("/api/tally", tallyAnswer).catch((error: unknown) => {
    if (!(error instanceof ApiError)) throw error;
  });
  if (!tally) return;
  const { packets, givenUp } = tally;
  const sums = statuses.filter((status) => packets[status] > 0).map((status) => `${packets[status]} ${status}`);
  if (givenUp > 0)
    console.log(
      `\n${givenUp} of the events could not be mapped, however often it was tried: see accept-failed in the log of bridge serve, mend the cause and start it anew`,
    );
  console.log(sums.length > 0 ? `\nin all: ${sums.join(", ")}` : 'no packets yet; publish an event with "bridge emit"');
}

/** Oldest first, as many as were asked for, over as many pages as that takes. */
async function newest(client: OpsClient, options: OutboxOptions): Promise<Summary[]> {
  const { status, open, connector, since, limit, entity, text } = options;
  const from = since === undefined ? undefined : timeIn(since, Date.now()).toISOString();
  const query = { status: status ?? (open ? openStatuses : undefined), connector, entity, text, from };
  const found: Summary[] = [];
  const read = (from: From) => {
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
