import type { Engine } from "../engine.ts";
import { type Connector, type Context, connectorId } from "../model/connector.ts";
import { type Outcome, type RetryCode, retry } from "../model/outcome.ts";
import type { Packet } from "../model/packet.ts";
import { errorName } from "../observability/log.ts";
import { contextOf } from "./connector-context.ts";
import { withinDeadline } from "./deadline.ts";

/**
 * One call of a target: a packet, or several where it takes many at once. All within one deadline, with fresh
 * credentials once for what the first were refused for.
 *
 * @returns an outcome a packet, in their order; a failure of the call as a whole is everybody's
 */
export async function call(engine: Engine, connector: Connector, packets: readonly Packet[]): Promise<Outcome[]> {
  const outcomes = new Map<Packet, Outcome>();
  let open = packets;
  let mayHaveLanded = false;
  const end = (reason: string, code: RetryCode) => {
    for (const packet of open) outcomes.set(packet, retry(reason, { code, mayHaveLanded }));
  };
  try {
    const inTime = await withinDeadline(engine, false, async (signal) => {
      for (let again = false; open.length > 0; again = true) {
        const context = await contextOf(engine, connector, signal);
        if (signal.aborted) return false;
        if (!context.ok) {
          end(context.reason, "setup");
          return true;
        }
        mayHaveLanded = true;
        const answers = await sendAll(connector, open, context.value);
        if (signal.aborted) return false;
        for (const [i, packet] of open.entries()) outcomes.set(packet, answers[i] as Outcome);
        open = again ? [] : open.filter((_, i) => wantsCredentials(answers[i] as Outcome));
        mayHaveLanded = false;
        if (open.length > 0) await engine.secrets.refresh(connectorId(connector));
      }
      return true;
    });
    if (!inTime) end(`no answer within ${engine.times.sendMs} ms`, "no-answer");
  } catch (error) {
    end(`the connector failed: ${errorName(error)}`, "threw");
  }
  return packets.map((packet) => outcomes.get(packet) as Outcome);
}

/** @throws where the connector does not say what became of each packet */
async function sendAll(
  connector: Connector,
  packets: readonly Packet[],
  context: Context<unknown, unknown>,
): Promise<readonly Outcome[]> {
  if (!connector.sendBatch) return Promise.all(packets.map((packet) => connector.send(packet, context)));
  const outcomes = await connector.sendBatch(packets, context);
  if (outcomes.length !== packets.length) {
    throw new RangeError(`${connectorId(connector)} gave ${outcomes.length} outcomes for ${packets.length} packets`);
  }
  return outcomes;
}

function wantsCredentials(outcome: Outcome): boolean {
  return outcome.kind === "retry" && outcome.auth === true;
}
