/** Time, CPU and memory of this process over the measured part of a run. */
export interface Usage {
  readonly seconds: number;
  /** User and system time of all threads, divided by the number of packets. */
  readonly cpuMsPerPacket: number;
  /** Largest resident set since the process started, warm-up included. */
  readonly peakMemoryBytes: number;
}

/** Starts measuring. The returned function stops; its argument is the number of packets handled in between. */
export function startMeter(): (packets: number) => Usage {
  const cpuBefore = process.cpuUsage();
  const startedAt = performance.now();
  return (packets) => {
    const seconds = (performance.now() - startedAt) / 1_000;
    const { user, system } = process.cpuUsage(cpuBefore);
    return {
      seconds,
      cpuMsPerPacket: (user + system) / 1_000 / packets,
      peakMemoryBytes: process.resourceUsage().maxRSS * 1_024,
    };
  };
}

/** Runs a task and returns its duration in ms. */
export async function durationMs(task: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await task();
  return performance.now() - startedAt;
}

/** Runs a task a number of times, with at most `concurrency` runs at once. Each run gets its index, from 0. */
export async function repeat(
  times: number,
  concurrency: number,
  task: (index: number) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  const runShare = async () => {
    for (let index = next++; index < times; index = next++) await task(index);
  };
  await Promise.all(Array.from({ length: concurrency }, runShare));
}
