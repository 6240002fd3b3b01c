import { describe, expect, it } from "vitest";
import { alertOf } from "../../../bridge/observability/alerts.ts";
import { signatureOf } from "../../../bridge/values/webhook-signature.ts";
import { createHttp } from "../../../connectors/protocols/http/client.ts";
import { LocalSecrets } from "../../../platform/local/secrets.ts";
import { sendAlerts } from "../../../platform/local/webhook-alerts.ts";
import { ManualClock, seededRandom } from "../../support/clock.ts";
import { targetServer } from "../../support/target-server.ts";

const key = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;

function anAlerting(url: string, env: NodeJS.ProcessEnv = {}) {
  const clock = new ManualClock();
  const lines: object[] = [];
  const http = createHttp({ allowedHosts: [new URL(url).host] });
  const secrets = new LocalSecrets(":memory:", env);
  const log = sendAlerts({ url, http, secrets, clock, random: seededRandom(1), log: (line) => lines.push(line) });
  return { clock, lines, log };
}

describe("alerts", () => {
  it("raises one alert for each change of state and none for other lines", () => {
    expect(alertOf({ step: "target-down", connector: "Payroll@v1" })).toEqual({
      type: "sync.target.down",
      subject: "Payroll@v1",
      data: { connector: "Payroll@v1" },
    });
    expect(alertOf({ step: "window-breach", connector: "Payroll@v1", packets: 7, packet: "pkt-1", lateMs: 5 })).toEqual(
      {
        type: "sync.window.breached",
        subject: "Payroll@v1",
        data: { connector: "Payroll@v1", packets: 7, packet: "pkt-1", lateMs: 5 },
      },
    );
    expect(alertOf({ step: "delivered", connector: "Payroll@v1" })).toBeUndefined();
    expect(alertOf({ step: "toString" })).toBeUndefined();
    expect(alertOf({ step: "quarantined", event: "evt-1", reason: "id: is missing" })?.data).toEqual({
      event: "evt-1",
    });
  });

  it("sends signed alerts in order and logs every line", async () => {
    await using ops = await targetServer();
    const { log, lines, clock } = anAlerting(`${ops.url}/alerts`, {
      BRIDGE_SECRET_ALERTS: JSON.stringify({ keys: [key] }),
    });

    log({ step: "target-down", connector: "Payroll@v1" });
    log({ step: "delivered", connector: "Payroll@v1" });
    log({ step: "target-recovered", connector: "Payroll@v1" });
    await expect.poll(() => ops.received.length).toBe(2);

    expect(lines).toHaveLength(3);
    expect(ops.received.map(({ body }) => body)).toMatchObject([
      { type: "sync.target.down", subject: "Payroll@v1", source: "hms-sync-bridge", specversion: "1.0" },
      { type: "sync.target.recovered" },
    ]);
    const [{ headers, body }] = ops.received as [(typeof ops.received)[number]];
    const seconds = String(Math.floor(clock.now() / 1_000));
    const wanted = signatureOf(key, { id: (body as { id: string }).id, seconds, body: JSON.stringify(body) });
    expect(headers["webhook-signature"]).toBe(`v1,${wanted.toString("base64")}`);
  });

  it("retries a failed alert and logs the failure, while nothing waits", async () => {
    await using ops = await targetServer((_, response) => response.writeHead(503).end());
    const { log, lines, clock } = anAlerting(`${ops.url}/alerts`);

    log({ step: "held", packet: "pkt-1", connector: "Payroll@v1", why: "refused" });
    await expect.poll(() => lines.length).toBe(2);
    ops.answer = (_, response) => response.writeHead(204).end();
    await clock.advance(1_000);
    await expect.poll(() => ops.received.length).toBe(2);

    expect(lines[1]).toEqual({ step: "alert-failed", http: 503 });
    expect(ops.received[0]?.body).toEqual(ops.received[1]?.body);
  });

  it("gives up an alert after the last retry and sends the next one", async () => {
    await using ops = await targetServer((_, response) => response.writeHead(500).end());
    const { log, clock } = anAlerting(`${ops.url}/alerts`);

    log({ step: "held", packet: "pkt-1", connector: "Payroll@v1", why: "refused" });
    for (const [tries, ms] of [1_000, 5_000, 30_000].entries()) {
      await expect.poll(() => ops.received.length).toBe(tries + 1);
      await clock.advance(ms);
    }
    await expect.poll(() => ops.received.length).toBe(4);
    ops.answer = (_, response) => response.writeHead(204).end();
    log({ step: "held", packet: "pkt-2", connector: "Payroll@v1", why: "refused" });

    await expect.poll(() => ops.received.length).toBe(5);
    expect(ops.received[4]?.body).toMatchObject({ data: { packet: "pkt-2" } });
  });
});
