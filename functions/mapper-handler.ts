import type { Engine } from "../bridge/engine.ts";
import { accept } from "../bridge/intake/accept.ts";
import { delay } from "../bridge/ports/message-result.ts";
import { answer, type BatchHandler, messagesIn } from "./sqs-batch.ts";

/** Events of the inbox in, packets recorded and on their lanes. */
export function mapperHandler(engine: Engine): BatchHandler {
  const { backoffMs } = engine.times;
  return async (event) => {
    const messages = messagesIn(event);
    const receives = new Map(messages.map(({ receipt, receiveCount }) => [receipt, receiveCount]));
    const reports = (await accept(engine, messages)).map((report) => {
      if (report.kind === "ack") return report;
      // Longer each time: a store that is away for minutes must not carry its events to the dead letters.
      const step = Math.min(receives.get(report.receipt) ?? 1, backoffMs.length) - 1;
      return delay(report.receipt, Math.max(report.ms, backoffMs[step] as number));
    });
    return answer(engine, "inbox", messages, reports);
  };
}
