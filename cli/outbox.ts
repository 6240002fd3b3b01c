import { type Command, Option } from "commander";
import { openStatuses, type Status, statuses } from "../bridge/ledger.ts";
import { idOf, type StoreOptions, storeCommand, withBridge } from "./open.ts";
import { coloured, count, printJson, timeIn } from "./output.ts";

interface OutboxOptions extends StoreOptions {
  readonly open?: true;
  readonly status?: readonly Status[];
  readonly connector?: string;
  readonly since?: string;
  readonly limit: number;
}

/** `bridge outbox`: the packets and how they stand. */
export function outbox(): Command {
  return storeCommand("outbox", "list packets: sent, waiting, held; the newest last")
    .option("--open", "only those not closed yet")
    .addOption(new Option("--status <status...>", "only these").choices(statuses))
    .option("--connector <id>", "only of this connector, such as PayrollConnector@v1")
    .option("--since <time>", "only recorded since: 10m, 2h, 2026-12-01T00:00:00Z")
    .option("--limit <count>", "at most so many", count, 50)
    .action(async (options: OutboxOptions) => {
      const { open, since, limit } = options;
      const wanted = options.status ?? (open ? openStatuses : undefined);
      await withBridge(options, { work: false }, async (bridge) => {
        const connector = options.connector && (await idOf(bridge, options.connector));
        const newest = await bridge.outbox({
          newestFirst: true,
          limit,
          ...(wanted && { statuses: wanted }),
          ...(connector && { connector }),
          ...(since && { from: timeIn(since, Date.now()) }),
        });
        const packets = newest.reverse();
        if (options.json) return printJson(packets);
        for (const packet of packets) console.log(coloured(String(packet), packet.status));
        const { packets: counts } = await bridge.tally();
        const sums = statuses.filter((status) => counts[status] > 0).map((status) => `${counts[status]} ${status}`);
        const { waiting: givenUp } = await (await bridge.engine()).queue.depth("inbox-dead");
        if (givenUp > 0)
          console.log(
            `\n${givenUp} of the events could not be mapped, however often it was tried: see accept-failed in the log of bridge serve, mend the cause and start it anew`,
          );
        console.log(
          sums.length > 0 ? `\nin all: ${sums.join(", ")}` : 'no packets yet; publish an event with "bridge emit"',
        );
      });
    });
}
