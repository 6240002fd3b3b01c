import { join } from "node:path";
import { expect, test } from "vitest";
import { Bridge, Event } from "../../index.ts";
import { figure, full } from "../reliability/figure.ts";
import { home, perDiemSheet } from "../support/home.ts";
import { serve } from "../support/serve.ts";
import { targetServer } from "../support/target-server.ts";

const kills = full ? 100 : 20;
const records = 8;

test(`bridge serve loses nothing over ${kills} kill -9 at random moments under load`, {
  tags: "row-34",
  timeout: 180_000 + kills * 5_000,
}, async ({ task }) => {
  await using target = await targetServer();
  using folder = home({
    "mappings/per_diem.yaml": perDiemSheet,
    // The lease of a killed process has to expire; 2 s instead of 35 keeps the test short.
    "bridge.yaml": `connectors:
  PayrollConnector: { baseUrl: "${target.url}/payroll" }
  GISTableConnector: { baseUrl: "${target.url}/gis" }
times: { sendMs: 1000, leaseMs: 2000, backoffMs: [100, 200], tickMs: 200, probeMs: 300, redriveMs: 500 }
`,
  });
  const dir = join(folder.path, ".bridge");

  let served = await serve(folder.path);
  const publisher = new Bridge({ dir, work: false });
  const latest = new Map<string, number>();
  let published = 0;
  let publishing = true;
  /** Returns the number of open packets, including those that events in the inbox will create. */
  const backlog = async () => {
    const { events, packets } = await publisher.tally();
    return packets.QUEUED + packets.RETRY + 2 * (published - events.EXPANDED - events.duplicates);
  };
  const load = (async () => {
    while (publishing) {
      // Keeps a backlog that is small enough to drain quickly at the end.
      await expect.poll(backlog, { timeout: 90_000, interval: 5 }).toBeLessThan(200);
      const subject = `record-${published % records}`;
      const rate = ++published;
      await publisher.emit(Event({ type: "policy.per_diem.updated", subject, data: { new_rate: rate } }));
      latest.set(subject, rate);
    }
  })();
  for (let i = 0; i < kills; i++) {
    const moment = target.received.length + Math.ceil(Math.random() * 60);
    await expect.poll(() => target.received.length, { timeout: 60_000, interval: 1 }).toBeGreaterThan(moment);
    await served.end("SIGKILL");
    served = await serve(folder.path);
  }
  publishing = false;
  await load;
  const settled = await publisher.settled(120_000);

  expect(settled).toBe(true);
  await expect
    .poll(async () => (await publisher.outbox({ statuses: ["QUEUED", "RETRY"] })).length, { timeout: 90_000 })
    .toBe(0);
  const { events, packets } = await publisher.tally();
  figure(task, `${kills} kills, ${2 * published} packets`, { met: kills >= 100 });
  expect(events.EXPANDED + events.duplicates).toBe(published);
  expect(events.EXPANDING + events.UNMATCHED + events.QUARANTINED).toBe(0);
  expect(packets.HELD).toBe(0);
  expect(packets.SENT + packets.UNCHANGED + packets.SUPERSEDED).toBe(2 * published);
  expect((await publisher.verify()).fault).toBeUndefined();
  const held = new Map(
    target.received
      .filter(({ path }) => path.startsWith("/gis"))
      .map(({ path, body }) => [path.split("/").at(-1), body]),
  );
  expect(held).toEqual(new Map([...latest].map(([subject, rate]) => [subject, { perDiemUSD: rate }])));
  const bodies = Map.groupBy(target.received, ({ key }) => key);
  for (const tries of bodies.values()) expect(new Set(tries.map(({ body }) => JSON.stringify(body))).size).toBe(1);
  await publisher.close();
  await served.end("SIGTERM");
});
