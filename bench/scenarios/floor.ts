import { Pool } from "undici";
import { durationMs, repeat, startMeter } from "../meter.ts";
import { rounded, row, type Scenario } from "../scenario.ts";
import { quantile } from "../statistics.ts";

// Measures the floor: a bare keep-alive HTTP loop to the target, without any code of the bridge. Both sides of a
// comparison run the same floor, so the spread of its ratios is the noise of the machine.

const warmUpRequests = 2_000;
const singleRequests = 1_000;
const concurrentRequests = 20_000;
const concurrency = 20;

const body = JSON.stringify({ dailyRate: 68 });

export const floor: Scenario = {
  name: "floor",
  summary: "a bare keep-alive HTTP loop to the same target; always runs",
  rows: [
    row("p50", "ms", "p50Ms"),
    row("wall per request", "ms", "wallMsPerRequest"),
    row("CPU per request", "ms", "cpuMsPerRequest"),
  ],

  async run({ targets }) {
    const pool = new Pool(`http://127.0.0.1:${targets.port}`, { connections: concurrency, pipelining: 1 });
    await repeat(warmUpRequests, concurrency, () => send(pool));
    const times: number[] = [];
    for (let i = 0; i < singleRequests; i++) times.push(await durationMs(() => send(pool)));
    const stop = startMeter();
    await repeat(concurrentRequests, concurrency, () => send(pool));
    const { seconds, cpuMsPerPacket } = stop(concurrentRequests);
    await pool.close();
    const figures = {
      p50Ms: quantile(times, 0.5),
      requestsPerSecond: concurrentRequests / seconds,
      wallMsPerRequest: (seconds * 1_000) / concurrentRequests,
      cpuMsPerRequest: cpuMsPerPacket,
    };
    return { figures, notes: [] };
  },

  lines: (figures) => [
    {
      name: "floor",
      text: `raw HTTP to the same server: median ${rounded(figures.p50Ms)} ms, ${rounded(figures.requestsPerSecond, 0)} requests/s at ${concurrency} at once`,
    },
  ],
};

/** Sends one request through `dispatch`, undici's lowest-level interface. */
function send(pool: Pool): Promise<void> {
  const headers = { "content-type": "application/json" };
  return new Promise((resolve, reject) => {
    pool.dispatch(
      { method: "PATCH", path: "/v2/rates", headers, body },
      {
        onRequestStart() {},
        onResponseStart() {},
        onResponseData() {},
        onResponseEnd: () => resolve(),
        onResponseError: (_, error) => reject(error),
      },
    );
  });
}
