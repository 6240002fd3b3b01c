// Time, CPU and memory of this process over the measured part of a run.

export interface Usage {
  readonly seconds: number;
  /** User and system time of all threads, shared out over the packets. */
  readonly cpuMsPerPacket: number;
  /** Largest resident set since the process started, warm-up included. */
  readonly peakMemoryBytes: number;
}

/** Starts to measure. The returned function stops it, and takes the number of packets handled in between. */
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
