import type { Connector } from "../bridge/model/connector.ts";

/** Lowest maximum concurrency that an SQS event source accepts. Source: AWS Lambda, "Maximum concurrency". */
const fewestProcesses = 2;

/** Maximum number of messages in one batch from a FIFO queue. Source: AWS Lambda, "Using Lambda with Amazon SQS". */
export const batchSize = 10;

/** Share of a connector's rate for each function instance that sends for it. */
export interface Share {
  /** Number of function instances. */
  readonly processes: number;
  /** Rate of one instance. */
  readonly rate: Connector["rate"];
}

/**
 * Divides a connector's rate among as many function instances as `concurrency` parallel sends need. Together they stay
 * within the rate.
 *
 * A connector with a single lane still sends one packet at a time, because SQS never delivers one message group in two
 * batches at once.
 */
export function shareOf({ concurrency, perSecond }: Connector["rate"]): Share {
  const processes = Math.max(fewestProcesses, Math.ceil(concurrency / batchSize));
  return {
    processes,
    rate: {
      concurrency: Math.max(1, Math.floor(concurrency / processes)),
      ...(perSecond !== undefined && { perSecond: perSecond / processes }),
    },
  };
}
