import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import type { Command } from "commander";
import type { SourceEvent } from "../bridge/model/event.ts";
import type { JsonObject } from "../bridge/values/json.ts";
import type { Bridge } from "../library/bridge.ts";
import { Event } from "../library/event.ts";
import type { PacketView } from "../library/packet-view.ts";
import {
  colored,
  count,
  exitCodes,
  isInvalidRequest,
  notSettled,
  plural,
  printJson,
  type SetExitCode,
} from "./output.ts";
import { type StoreOptions, storeCommand, withBridge } from "./with-bridge.ts";

interface EmitOptions extends StoreOptions {
  readonly file?: string;
  readonly stack?: string;
  readonly wait: number;
}

/** `bridge emit`: publishes events and shows the resulting packets. */
export function emit(setExitCode: SetExitCode): Command {
  return storeCommand("emit", "publish one event, or many from a file, and show the resulting packets")
    .argument("[event]", "the event as JSON; id, source and time are filled in if absent")
    .option("--file <file>", "an NDJSON file with one event per line; - is standard input")
    .option("--stack <name>", "publish to the bus of a deployment, with your own AWS credentials and region")
    .option(
      "--wait <seconds>",
      "maximum time to wait for packets to be closed, held or in the outbox; not with --stack",
      count,
      10,
    )
    .addHelpText(
      "after",
      `\nIf "bridge serve" is running, that process handles the events; otherwise this command does.\n` +
        "With --stack, the command ends when EventBridge has accepted all events. It needs the permissions\n" +
        "events:PutEvents and ssm:GetParameters.",
    )
    .action(async (text: string | undefined, options: EmitOptions) => {
      if ((text === undefined) === (options.file === undefined)) {
        throw new TypeError("give either an event or --file; bridge emit --help shows both");
      }
      const { file, stack } = options;
      const lines = file === undefined ? [text as string] : linesOf(file);
      if (stack !== undefined) await emitToStack(stack, options, lines);
      else await emitLocally(options, lines, setExitCode);
    });
}

type Lines = Iterable<string> | AsyncIterable<string>;
type Publish = (events: readonly SourceEvent[]) => Promise<readonly string[]>;

async function emitLocally(options: EmitOptions, lines: Lines, setExitCode: SetExitCode): Promise<void> {
  await withBridge(options, {}, async (bridge) => {
    const startedAt = Date.now();
    const emitOne: Publish = async ([event]) => [await bridge.emit(event as SourceEvent)];
    const keys = await emitInBatches(options, lines, 1, emitOne);
    const settled = await bridge.settled(options.wait * 1_000);
    const packets = await packetsOf(bridge, new Set(keys), startedAt);
    printResult(options, keys, packets, settled);
    if (packets.some(({ status }) => status === "HELD")) setExitCode(exitCodes.no);
  });
}

async function emitToStack(stack: string, options: EmitOptions, lines: Lines): Promise<void> {
  const { maxEntries } = await import("../platform/aws/put-events.ts");
  const { openDeployedBus } = await import("../platform/aws/deployment.ts");
  const bus = await openDeployedBus(stack);
  const keys = await emitInBatches(options, lines, maxEntries, (events) => bus.publish(events));
  if (options.json) printJson({ events: keys });
  else console.log(`${keys.length === 1 ? `${keys[0]} is` : `${keys.length} events are`} on the bus of ${stack}`);
}

/**
 * Publishes events in batches as their lines are read.
 *
 * @returns the events' keys
 * @throws with file, line and the number of events accepted before it, if an event is invalid or cannot be published
 */
async function emitInBatches(
  { file }: EmitOptions,
  lines: Lines,
  batchSize: number,
  publish: Publish,
): Promise<string[]> {
  const keys: string[] = [];
  let batch: SourceEvent[] = [];
  let line = 0;
  const withLocation = (error: unknown): unknown => {
    if (file === undefined) return error;
    const before = `${plural(keys.length, "event")} ${keys.length === 1 ? "was" : "were"} accepted before it`;
    const message = `${file}:${line}: ${(error as Error).message}; ${before}`;
    return isInvalidRequest(error) ? new TypeError(message, { cause: error }) : new Error(message, { cause: error });
  };
  const flush = async () => {
    if (batch.length === 0) return;
    try {
      keys.push(...(await publish(batch)));
    } catch (error) {
      throw withLocation(error);
    }
    batch = [];
  };
  for await (const text of lines) {
    line++;
    if (text.trim() === "") continue;
    try {
      batch.push(Event(parseEvent(text) as never));
    } catch (error) {
      await flush();
      throw withLocation(error);
    }
    if (batch.length === batchSize) await flush();
  }
  await flush();
  return keys;
}

/** Opens the file when the first line is requested, because readline drops lines that have no reader yet. */
async function* linesOf(file: string): AsyncGenerator<string> {
  yield* createInterface({ input: file === "-" ? process.stdin : createReadStream(file) });
}

function parseEvent(text: string): JsonObject {
  try {
    return JSON.parse(text) as JsonObject;
  } catch {
    throw new TypeError("the event is not valid JSON");
  }
}

/** Returns the events' packets recorded since the command started, newest last. Omits earlier packets. */
async function packetsOf(bridge: Bridge, keys: ReadonlySet<string>, since: number): Promise<PacketView[]> {
  const recent = await bridge.outbox({ from: new Date(since - 1_000), limit: 10_000 });
  return recent.filter(({ event }) => keys.has(event));
}

function printResult(
  { json }: StoreOptions,
  keys: readonly string[],
  packets: readonly PacketView[],
  settled: boolean,
): void {
  if (json) {
    printJson({ events: keys, packets, settled });
    return;
  }
  console.log(`accepted ${keys.length === 1 ? keys[0] : `${keys.length} events`}`);
  for (const packet of packets.slice(0, 50)) console.log(colored(String(packet), packet.status));
  if (packets.length > 50) console.log(`… and ${packets.length - 50} more; bridge outbox lists them`);
  if (packets.length === 0 && settled) {
    console.log("no packets were created: no sheet maps the event, nothing changed, or it was published before");
  }
  if (!settled) console.log(notSettled);
}
