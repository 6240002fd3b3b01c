import type { Connector } from "../bridge/model/connector.ts";

/** Lowest maximum concurrency an SQS event source accepts. Source: AWS Lambda, "Maximum concurrency". */
const fewestProcesses = 2;

/** Most messages in one batch from a FIFO queue. Source: AWS Lambda, "Using Lambda with Amazon SQS". */
export const batchSize = 10;

/** A connector's rate, divided among the function instances that send for it. */
export interface Share {
  readonly processes: number;
  /** The rate of one process. */
  readonly rate: Connector["rate"];
}

/**
 * Divides a connector's rate among as many processes as `concurrency` parallel sends need. Together they stay within
 * the rate.
 *
 * A connector with a single lane still sends one packet at a time, because SQS never puts one message group into two
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
