import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { deliver } from "../../bridge/delivery/deliver.ts";
import { createRateLimiter } from "../../bridge/delivery/rate-limiter.ts";
import { accept } from "../../bridge/intake/accept.ts";
import { sheetSet } from "../../bridge/mapping/sheet-set.ts";
import { Catalog, type Connector, connectorId } from "../../bridge/model/connector.ts";
import type { Status } from "../../bridge/model/ledger-entry.ts";
import { createHttp, hostsIn } from "../../connectors/protocols/http/client.ts";
import { connector as first } from "../../connectors/work-force-now.ts";
import { connector as second } from "../../connectors/work-force-now-v2.ts";
import { type LocalEngine, openLocalEngine } from "../../platform/local/engine.ts";
import { checkSettings } from "../../platform/local/settings.ts";
import { aSheet, noon } from "../support/builders.ts";
import { type Authority, authority } from "../support/certificates.ts";
import { ManualClock, seededRandom } from "../support/clock.ts";
import { type HrServer, hrServer } from "../support/hr-server.ts";
import { type TargetServer, targetServer } from "../support/target-server.ts";
import { type TokenServer, tokenServer } from "../support/token-server.ts";

let trusted: Authority;
let old: TargetServer;
let hr: HrServer;
let tokens: TokenServer;
/** Number of events so far. It gives every event its own id, because the HR service ignores repeated ids. */
let events = 0;

beforeAll(async () => {
  trusted = await authority();
  tokens = await tokenServer({ clientId: "hms", clientSecret: "s", authority: trusted });
  const secure = { ...(await trusted.server()), ca: trusted.ca, requestCert: true };
  hr = await hrServer({ secure, accepts: (authorization) => tokens.accepts(authorization) });
  old = await targetServer();
});
afterAll(async () => {
  await old.close();
  await hr[Symbol.asyncDispose]();
  await tokens[Symbol.asyncDispose]();
});
beforeEach(() => {
  old.received.length = 0;
  hr.effects.length = 0;
});

/** Bridge on the embedded engine with a manual clock and a sheet that cuts over from v1 to v2. */
async function cutOver({ until, from }: { until: number; from: number }) {
  const iso = (ms: number) => new Date(ms).toISOString();
  const sheet = aSheet(
    `
source_event: telework.approved
key: data.worker
targets:
  old: { connector: WorkForceNow@v1, until: ${iso(until)}, map: { hours: flex_time } }
  new: { connector: WorkForceNow@v2, from: ${iso(from)}, map: { hours: worker.hours } }
`,
    "mappings/telework.yaml",
  );
  const sheets = sheetSet([sheet], { otherwise: "block", rules: [] });
  const clock = new ManualClock(noon - 60_000);
  const engine = await openLocalEngine({
    dir: ":memory:",
    catalog: new Catalog([first, second]),
    sheets: () => sheets,
    settings: checkSettings(
      {
        connectors: {
          "WorkForceNow@v1": { baseUrl: old.url },
          "WorkForceNow@v2": { baseUrl: hr.target.url, tokenUrl: tokens.tokenUrl },
        },
      },
      "the test",
    ),
    http: (config) => createHttp({ allowedHosts: hostsIn(config) }),
    env: {
      BRIDGE_SECRET_WORKFORCENOW_V2: JSON.stringify({
        clientId: "hms",
        clientSecret: "s",
        ...(await trusted.client("hms")),
        ca: trusted.ca,
      }),
    },
    clock,
    random: seededRandom(),
  });
  return {
    engine,
    /** Accepts one event at a time `ms`, delivers its packets, and returns the versions that received it. */
    async at(ms: number, data: { worker?: string; hours?: number } = {}, time?: string): Promise<string[]> {
      const before = [old.received.length, hr.effects.length];
      clock.set(ms);
      const worker = data.worker ?? `E-${events}`;
      const event = {
        id: `e-${events++}`,
        source: "hms.policy",
        type: "telework.approved",
        ...(time && { time }),
        data: { worker, hours: data.hours ?? 16 },
      };
      await engine.queue.send("inbox", [{ group: event.id, body: JSON.stringify(event) }]);
      await work(engine);
      return [
        ...(old.received.length > (before[0] as number) ? ["v1"] : []),
        ...(hr.effects.length > (before[1] as number) ? ["v2"] : []),
      ];
    },
    async statuses(): Promise<Status[]> {
      const { items } = await engine.store.packets({ limit: 100 });
      return items.map(({ progress }) => progress.status);
    },
    async [Symbol.asyncDispose]() {
      await engine.queue.end();
      await engine.db.close();
    },
  };
}

async function work(engine: LocalEngine): Promise<void> {
  const take = (queue: "inbox" | `lane:${string}`) =>
    engine.queue.receive(queue, { max: 10, visibilityMs: 60_000, waitMs: 0 });
  const done = async (queue: "inbox" | `lane:${string}`, receipts: readonly { receipt: string }[]) =>
    engine.queue.remove(
      queue,
      receipts.map(({ receipt }) => receipt),
    );
  const arrived = await take("inbox");
  await done("inbox", await accept(engine, arrived));
  for (const connector of [first, second] as unknown as Connector[]) {
    const queue = `lane:${connectorId(connector)}` as const;
    const worker = { connector, owner: "test", acquire: createRateLimiter(engine.clock, connector.rate) };
    await done(queue, await deliver(engine, worker, await take(queue)));
  }
}

describe("cut-over from WorkForceNow@v1 to v2", () => {
  test("includes v2 at `from` and excludes v1 at `until` if the two overlap", async () => {
    await using bridge = await cutOver({ from: noon, until: noon + 1_000 });

    expect(await bridge.at(noon - 1)).toEqual(["v1"]);
    expect(await bridge.at(noon)).toEqual(["v1", "v2"]);
    expect(await bridge.at(noon + 1)).toEqual(["v1", "v2"]);
    expect(await bridge.at(noon + 999)).toEqual(["v1", "v2"]);
    expect(await bridge.at(noon + 1_000)).toEqual(["v2"]);
    expect(await bridge.at(noon + 1_001)).toEqual(["v2"]);
    expect(new Set(await bridge.statuses())).toEqual(new Set(["SENT"]));
  });

  test("sends each event to exactly one version if `from` equals `until`", async () => {
    await using bridge = await cutOver({ from: noon, until: noon });

    expect(await bridge.at(noon - 1)).toEqual(["v1"]);
    expect(await bridge.at(noon)).toEqual(["v2"]);
    expect(await bridge.at(noon + 1)).toEqual(["v2"]);
  });

  test("sends an event in a gap to neither version and still counts it", async () => {
    await using bridge = await cutOver({ until: noon, from: noon + 1_000 });

    expect(await bridge.at(noon - 1)).toEqual(["v1"]);
    expect(await bridge.at(noon)).toEqual([]);
    expect(await bridge.at(noon + 999)).toEqual([]);
    expect(await bridge.at(noon + 1_000)).toEqual(["v2"]);
    const tally = await bridge.engine.store.tally();
    expect(tally.events.EXPANDED + tally.events.UNMATCHED).toBe(4);
  });

  test("sends a late event from before the cut-over to v2 only", async () => {
    await using bridge = await cutOver({ from: noon, until: noon + 1_000 });

    expect(await bridge.at(noon + 1_000, {}, new Date(noon - 86_400_000).toISOString())).toEqual(["v2"]);
  });

  test("each version keeps its own shadow, so a repeated value is new to v2 only", async () => {
    await using bridge = await cutOver({ from: noon, until: noon + 1_000 });

    expect(await bridge.at(noon - 1, { worker: "E-7", hours: 16 })).toEqual(["v1"]);
    expect(await bridge.at(noon + 1, { worker: "E-7", hours: 16 })).toEqual(["v2"]);
    expect((await bridge.statuses()).sort()).toEqual(["SENT", "SENT", "UNCHANGED"]);
    expect(hr.effects.at(-1)?.data).toEqual({
      eventContext: { worker: { associateOID: "E-7" } },
      transform: { worker: { hours: 16 } },
    });
  });
});
