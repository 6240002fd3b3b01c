import { describe, expect, test } from "vitest";
import type { Packet } from "../../bridge/model/packet.ts";
import { createHttp, hostsIn } from "../../connectors/protocols/http/client.ts";
import { connector } from "../../connectors/scheduling.ts";
import { aMemory, connectorContract, packetFor } from "../support/connector-contract.ts";
import { type TargetServer, targetServer } from "../support/target-server.ts";

connectorContract({
  connector,
  configure: (baseUrl) => ({ baseUrl }),
  fields: { "shift.start": "09:00" },
  received: { method: "PATCH", path: "/v1/schedules/E-1001", body: { shift: { start: "09:00" } } },
});

describe("SchedulingConnector", () => {
  const send = (target: TargetServer, more: Partial<Packet>, config = {}, secret?: { token: string }) => {
    const parsed = connector.config.parse({ baseUrl: target.url, ...config });
    const http = createHttp({ allowedHosts: hostsIn(parsed) });
    const { signal } = new AbortController();
    const packet = packetFor(connector as never, { "shift.start": "09:00", room: null }, more);
    return connector.send(packet, { config: parsed, secret, http, memory: aMemory(), signal });
  };

  test.each<[Partial<Packet>, object]>([
    [{}, { method: "PATCH", type: "application/merge-patch+json", body: { shift: { start: "09:00" }, room: null } }],
    [{ send: "full" }, { method: "PUT", type: "application/json", body: { shift: { start: "09:00" }, room: null } }],
    [{ action: "delete" }, { method: "DELETE", type: undefined, body: undefined }],
  ])("sends a packet of %j as %j", async (more, wanted) => {
    await using target = await targetServer();

    expect(await send(target, more, {}, { token: "t" })).toMatchObject({ kind: "delivered" });
    const [seen] = target.received;
    expect({ method: seen?.method, type: seen?.headers["content-type"], body: seen?.body }).toEqual(wanted);
    expect(seen?.headers.authorization).toBe("Bearer t");
  });

  test.each([false, true])("treats a repeated deletion as delivered with ifMatch %s", async (ifMatch) => {
    await using target = await targetServer((_, response) => response.writeHead(404).end());

    expect(await send(target, { action: "delete" }, { ifMatch })).toMatchObject({ kind: "delivered", status: 404 });
  });
});
