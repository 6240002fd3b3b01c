import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { EventBridgeClient } from "@aws-sdk/client-eventbridge";
import { describe, expect, it } from "vitest";
import { EventBridgeAlerts } from "../../../platform/aws/eventbridge-alerts.ts";
import { acceptedEvents } from "../../../platform/aws/names.ts";
import { type AwsServer, awsServer, Refusal } from "../../support/aws-server.ts";

const now = Date.UTC(2026, 10, 22);

function alertsOver({ client }: Pick<AwsServer, "client">): EventBridgeAlerts {
  let ids = 0;
  return new EventBridgeAlerts({
    client: new EventBridgeClient({ ...client, maxAttempts: 1 }),
    bus: "arn:aws-us-gov:events:us-gov-west-1:123456789012:event-bus/hms",
    deployment: "hms-bridge",
    clock: { now: () => now },
    random: { id: () => `id-${++ids}` },
  });
}

interface Entry {
  readonly EventBusName: string;
  readonly Source: string;
  readonly DetailType: string;
  readonly Detail: string;
}

const entriesOf = ({ asked }: AwsServer) => asked.flatMap(({ body }) => body.Entries as Entry[]);
const acceptAll = ({ body }: { body: { Entries: unknown[] } }) => ({
  Entries: body.Entries.map(() => ({ EventId: "e" })),
});

describe("alerts on the bus", () => {
  it("publishes CloudEvents with a source and types that the bridge's own rule does not match", async () => {
    await using server = await awsServer(acceptAll);
    const alerts = alertsOver(server);

    alerts.record({ step: "target-down", connector: "PayrollConnector@v1", why: "probe" });
    alerts.record({ step: "delivered", connector: "PayrollConnector@v1" });
    alerts.record({ step: "quarantined", event: "evt-1", reason: "id of 078-05-1120 is wrong" });

    expect(await alerts.publish()).toBeUndefined();
    const [down, quarantined] = entriesOf(server);
    expect(down).toMatchObject({
      EventBusName: expect.stringContaining("event-bus/hms"),
      Source: "hms-sync-bridge/hms-bridge",
      DetailType: "sync.target.down",
    });
    expect(JSON.parse(down?.Detail ?? "")).toEqual({
      specversion: "1.0",
      id: "id-1",
      source: "hms-sync-bridge/hms-bridge",
      type: "sync.target.down",
      subject: "PayrollConnector@v1",
      time: "2026-11-22T00:00:00.000Z",
      data: { connector: "PayrollConnector@v1", why: "probe" },
    });
    expect(quarantined?.Detail).not.toContain("078-05-1120");
    for (const { Source, DetailType } of entriesOf(server)) {
      expect(Source.startsWith(acceptedEvents.sourcePrefix)).toBe(false);
      expect(DetailType.startsWith(acceptedEvents.ownTypePrefix)).toBe(true);
    }
    expect(entriesOf(server)).toHaveLength(2);
  });

  it("publishes each alert once, ten to a request, and makes no request if there is none", async () => {
    await using server = await awsServer(acceptAll);
    const alerts = alertsOver(server);
    for (let i = 0; i < 23; i++) alerts.record({ step: "held", packet: `pkt-${i}`, connector: "Fake@v1" });

    await alerts.publish();
    await alerts.publish();

    expect(server.asked.map(({ body }) => body.Entries.length)).toEqual([10, 10, 3]);
    expect(new Set(entriesOf(server).map(({ Detail }) => JSON.parse(Detail).id)).size).toBe(23);
  });

  it.each<[string, Parameters<typeof awsServer>[0]]>([
    ["rejects them", () => new Refusal("AccessDeniedException")],
    ["rejects some of them", ({ body }) => ({ Entries: body.Entries.map(() => ({ ErrorCode: "InternalFailure" })) })],
  ])("returns a log line instead of throwing if the bus %s", async (_, answer) => {
    await using server = await awsServer(answer);
    const alerts = alertsOver(server);
    alerts.record({ step: "held", packet: "pkt-1", connector: "Fake@v1" });

    expect(await alerts.publish()).toEqual({ step: "alert-failed", alerts: 1, error: expect.any(String) });
    expect(await alerts.publish()).toBeUndefined();
  });

  it("delays an invocation by at most two seconds if the bus does not answer", async () => {
    const silent = http.createServer(() => {}).listen(0, "127.0.0.1");
    await once(silent, "listening");
    const endpoint = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
    const credentials = { accessKeyId: "test", secretAccessKey: "test" };
    const alerts = alertsOver({ client: { endpoint, region: "us-gov-west-1", credentials } });
    alerts.record({ step: "held", packet: "pkt-1", connector: "Fake@v1" });
    const began = performance.now();

    const failed = await alerts.publish();

    const tookMs = performance.now() - began;
    silent.closeAllConnections();
    silent.close();
    expect(failed).toMatchObject({ step: "alert-failed" });
    expect(tookMs).toBeGreaterThan(1_500);
    expect(tookMs).toBeLessThan(5_000);
  });

  it("keeps only the newest 500 alerts of an invocation", async () => {
    await using server = await awsServer(acceptAll);
    const alerts = alertsOver(server);
    for (let i = 0; i < 501; i++) alerts.record({ step: "held", packet: `pkt-${i}`, connector: "Fake@v1" });

    await alerts.publish();

    const packets = entriesOf(server).map(({ Detail }) => JSON.parse(Detail).data.packet);
    expect([packets.length, packets[0], packets.at(-1)]).toEqual([500, "pkt-1", "pkt-500"]);
  });
});
