import type { Engine } from "../engine.ts";
import { type Connector, type Context, connectorId } from "../model/connector.ts";
import { type Outcome, type RetryCode, retry } from "../model/outcome.ts";
import type { Packet } from "../model/packet.ts";
import { errorName } from "../observability/log.ts";
import { contextOf } from "./connector-context.ts";
import { withinDeadline } from "./deadline.ts";

/**
 * Calls a target once, with one packet, or with several if its connector has `sendBatch`. If the target refuses the
 * credentials, the affected packets are sent once more with fresh ones. The time limit, `times.sendMs`, covers both.
 *
 * @returns one outcome per packet, in the same order. If the whole call fails, each packet without an outcome gets the
 * failure.
 */
export async function callTarget(engine: Engine, connector: Connector, packets: readonly Packet[]): Promise<Outcome[]> {
  const outcomes = new Map<Packet, Outcome>();
  let pending = packets;
  let mayHaveLanded = false;
  const failPending = (reason: string, code: RetryCode) => {
    for (const packet of pending) outcomes.set(packet, retry(reason, { code, mayHaveLanded }));
  };
  try {
    const inTime = await withinDeadline(engine, false, async (signal) => {
      for (let isRetry = false; pending.length > 0; isRetry = true) {
        const context = await contextOf(engine, connector, signal);
        if (signal.aborted) return false;
        if (!context.ok) {
          failPending(context.reason, "setup");
          return true;
        }
        mayHaveLanded = true;
        const answers = await sendAll(connector, pending, context.value);
        if (signal.aborted) return false;
        for (const [i, packet] of pending.entries()) outcomes.set(packet, answers[i] as Outcome);
        pending = isRetry ? [] : pending.filter((_, i) => refusedCredentials(answers[i] as Outcome));
        mayHaveLanded = false;
        if (pending.length > 0) await engine.secrets.refresh(connectorId(connector));
      }
      return true;
    });
    if (!inTime) failPending(`no answer within ${engine.times.sendMs} ms`, "no-answer");
  } catch (error) {
    failPending(`the connector failed: ${errorName(error)}`, "threw");
  }
  return packets.map((packet) => outcomes.get(packet) as Outcome);
}

/** @throws {RangeError} if the connector does not return one outcome per packet */
async function sendAll(
  connector: Connector,
  packets: readonly Packet[],
  context: Context<unknown, unknown>,
): Promise<readonly Outcome[]> {
  if (!connector.sendBatch) return Promise.all(packets.map((packet) => connector.send(packet, context)));
  const outcomes = await connector.sendBatch(packets, context);
  if (outcomes.length !== packets.length) {
    const counts = `${outcomes.length} outcomes for ${packets.length} packets`;
    throw new RangeError(`${connectorId(connector)}: sendBatch returned ${counts}; it must return one per packet`);
  }
  return outcomes;
}

function refusedCredentials(outcome: Outcome): boolean {
  return outcome.kind === "retry" && outcome.auth === true;
}
