import { describe, expect, test } from "vitest";
import { Bridge, Connector, Event } from "../../index.ts";
import { perDiemSheet } from "../support/home.ts";
import { type TargetServer, targetServer } from "../support/target-server.ts";

function aBridge(target: TargetServer): Bridge {
  const { url: baseUrl } = target;
  return new Bridge({
    dir: ":memory:",
    mappings: [{ file: "per_diem.yaml", text: perDiemSheet }],
    connectors: { PayrollConnector: { baseUrl }, GISTableConnector: { baseUrl }, WorkForceNow: { baseUrl } },
    times: { backoffMs: [20, 40], tickMs: 50, probeMs: 100, redriveMs: 200 },
  });
}

const recordSheet = `
source_event: [record.created, record.updated]
key: data.k
targets: { hr: { connector: WorkForceNow@v1, map: { v: value } } }
`;

describe("the library", () => {
  test("an event pushed through two maps is sent through both", async () => {
    await using target = await targetServer();
    await using bridge = aBridge(target);
    const event = Event({ type: "t", subject: "e-1", data: { a: 1, b: 2 } });

    const [first] = await new Connector("WorkForceNow", { bridge }).map({ a: "alpha" }).push(event);
    const [second] = await new Connector("WorkForceNow", { bridge }).map({ b: "beta" }).push(event);

    expect([first?.fields, second?.fields]).toEqual([{ alpha: 1 }, { beta: 2 }]);
    expect(target.received.map(({ body }) => body)).toEqual([
      { alpha: 1, external_id: "e-1" },
      { beta: 2, external_id: "e-1" },
    ]);
  });

  test("rejects invalid events and times in emit, push and replay", async () => {
    await using target = await targetServer();
    await using bridge = aBridge(target);
    const event = { ...Event({ type: "t", data: {} }), time: "yesterday" };

    await expect(bridge.emit(event)).rejects.toThrow(/^not an event: time/);
    await expect(new Connector("WorkForceNow", { bridge }).push(event)).rejects.toThrow(/^not an event: time/);
    await expect(bridge.replay("2026-01-01" as never, Date.now())).rejects.toThrow(RangeError);
    for (const choice of [{}, { targets: ["per_diem.unknown"] }, { connector: "WorkForceNow@v1" }]) {
      await expect(bridge.backfill({ since: Date.now() - 1_000 }, choice)).rejects.toThrow(RangeError);
    }
  });

  test("payroll's single rate keeps the newest value across changes of different records", async () => {
    await using target = await targetServer();
    await using bridge = aBridge(target);
    let failures = 1;
    target.answer = ({ path }, response) =>
      response.writeHead(path === "/v2/rates" && failures-- > 0 ? 503 : 204).end();

    await bridge.emit(Event({ type: "policy.per_diem.updated", subject: "change-1", data: { new_rate: 70 } }));
    await bridge.emit(Event({ type: "policy.per_diem.updated", subject: "change-2", data: { new_rate: 72 } }));
    await bridge.settled();

    const rates = target.received.filter(({ path }) => path === "/v2/rates").map(({ body }) => body);
    expect(rates.at(-1)).toEqual({ dailyRate: 72 });
  });

  test.each(
    ["created, updated, updated", "created, updated, created", "updated, created, updated"].flatMap((types) => [
      [types, "without a time", ({ time: _, ...event }: ReturnType<typeof Event>) => event] as const,
      [types, "with the time of `Event`", (event: ReturnType<typeof Event>) => event] as const,
    ]),
  )(
    "events of one record, %s, emitted in order without waiting %s, end with the last one",
    async (types, _, prepare) => {
      await using target = await targetServer();
      await using bridge = new Bridge({
        dir: ":memory:",
        mappings: [{ file: "record.yaml", text: recordSheet }],
        connectors: { WorkForceNow: { baseUrl: target.url } },
      });
      await bridge.open();
      const records = Array.from({ length: 100 }, (_, i) => `r${i}`);
      const emitted = records.flatMap((k) =>
        types
          .split(", ")
          .map((type, i) =>
            bridge.emit(prepare(Event({ type: `record.${type}`, subject: "team-1", data: { k, v: i + 1 } }))),
          ),
      );
      await Promise.all(emitted);
      await bridge.settled();

      const sent = target.received.map(({ body }) => body as { external_id: string; value: number });
      const last = new Map(sent.map(({ external_id, value }) => [external_id, value]));
      expect([...last.values()]).toEqual(records.map(() => 3));
    },
  );

  test("reports why a bridge cannot open, and closes it without an error", async () => {
    const bridge = new Bridge({ dir: ":memory:", mappings: [{ file: "bad.yaml", text: "targets: {}" }] });

    await expect(bridge.emit(Event({ type: "t", data: {} }))).rejects.toThrow("bad.yaml:1: source_event is missing");
    await expect(bridge.close()).resolves.toBeUndefined();
  });
});
