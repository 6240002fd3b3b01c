import type { Connector } from "../bridge/model/connector.ts";

/** The fewest functions an SQS event source can be limited to. Source: AWS Lambda, "Maximum concurrency". */
const fewestProcesses = 2;

/** Messages a function is handed at once from a FIFO queue. Source: AWS Lambda, "Using Lambda with Amazon SQS". */
export const batchSize = 10;

/** How a connector's rate is shared among the processes that send for it. */
export interface Share {
  readonly processes: number;
  /** Of one process. */
  readonly rate: Connector["rate"];
}

/**
 * So many processes as it takes to have `concurrency` sends under way, each with its part of the rate: together they
 * never go beyond it.
 *
 * A connector of one lane sends one at a time, whatever the processes: its only group is never in two batches at once.
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
