import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { LogLine } from "../../bridge/observability/log.ts";
import { Bridge, Event } from "../../index.ts";
import { setSecret } from "../../platform/local/secrets.ts";
import { authority } from "../support/certificates.ts";
import { until } from "../support/clock.ts";
import { home } from "../support/home.ts";
import { hrServer } from "../support/hr-server.ts";
import { bridgeFed } from "../support/serve.ts";
import { targetServer } from "../support/target-server.ts";
import { tokenServer } from "../support/token-server.ts";

const packets = 500;

/** Bridge on a durable store with one target, and the lines it logs. */
function bridgeTo(dir: string, connector: string, config: Readonly<Record<string, unknown>>) {
  const lines: LogLine[] = [];
  const text = `
source_event: t
key: subject
targets: { one: { connector: "${connector}", map: { hours: hours } } }
`;
  const bridge = new Bridge({
    dir,
    mappings: [{ file: "one.yaml", text }],
    connectors: { [connector]: config },
    log: (line) => lines.push(line),
  });
  return { bridge, lines };
}

/** Publishes `packets` changes one after another, so that traffic continues while secrets change. */
async function publish(bridge: Bridge): Promise<void> {
  for (let i = 0; i < packets; i++) {
    await bridge.emit(Event({ type: "t", subject: `E-${i}`, data: { hours: (i % 40) + 1 } }));
  }
}

/** Checks that every packet was sent on its first attempt; a refused secret may cost it one refresh of the secret. */
async function expectNoneFailed(bridge: Bridge, lines: readonly LogLine[]): Promise<void> {
  const { packets: tally } = await bridge.tally();
  expect(tally).toMatchObject({ SENT: packets, QUEUED: 0, RETRY: 0, HELD: 0 });
  expect(lines.filter(({ step }) => /retry|held|parked|refused|target-down/.test(step))).toEqual([]);
  expect(lines.filter(({ step }) => step === "delivered").every(({ tries }) => tries === 1)).toBe(true);
}

describe("secret rotation under load", () => {
  test("fails no packet if the new bearer token is set before the old one expires", async () => {
    using folder = home();
    const dir = join(folder.path, ".bridge");
    const good = new Set(["Bearer first"]);
    let refused = 0;
    await using target = await targetServer(({ headers }, response) => {
      const accepted = good.has(headers.authorization ?? "");
      if (!accepted) refused++;
      setTimeout(() => response.writeHead(accepted ? 204 : 401).end(), 3);
    });
    await setSecret(join(dir, "secrets.json"), "SchedulingConnector", { token: "first" });
    const { bridge, lines } = bridgeTo(dir, "SchedulingConnector", { baseUrl: target.url });
    await using _ = bridge;

    const publishing = publish(bridge);
    await until(() => target.received.length > packets / 5);
    good.add("Bearer second");
    const set = await bridgeFed(
      folder.path,
      '{"token":"second"}',
      "connectors",
      "secret",
      "set",
      "SchedulingConnector",
    );
    good.delete("Bearer first");
    await publishing;
    await bridge.settled();

    expect(set.code).toBe(0);
    await expectNoneFailed(bridge, lines);
    expect(new Set(target.received.slice(-50).map(({ headers }) => headers.authorization))).toEqual(
      new Set(["Bearer second"]),
    );
    // Only the calls in flight when the old token expired are refused: at most ten.
    expect(refused).toBeLessThanOrEqual(10);
  }, 60_000);

  test("fails no packet if the secret of an OAuth2 client changes and its tokens are revoked", async () => {
    using folder = home();
    const dir = join(folder.path, ".bridge");
    const trusted = await authority();
    await using tokens = await tokenServer({ clientId: "hms", clientSecret: "first", authority: trusted });
    const secure = { ...(await trusted.server()), ca: trusted.ca, requestCert: true };
    await using hr = await hrServer({ secure, accepts: (authorization) => tokens.accepts(authorization) });
    const login = { clientId: "hms", ca: trusted.ca, ...(await trusted.client("first")) };
    const file = join(dir, "secrets.json");
    await setSecret(file, "WorkForceNow@v2", { ...login, clientSecret: "first" });
    const { bridge, lines } = bridgeTo(dir, "WorkForceNow@v2", { baseUrl: hr.target.url, tokenUrl: tokens.tokenUrl });
    await using _ = bridge;

    const publishing = publish(bridge);
    await until(() => hr.effects.length > packets / 5);
    await setSecret(file, "WorkForceNow@v2", { ...login, ...(await trusted.client("second")), clientSecret: "second" });
    tokens.rotate("second");
    tokens.revokeAll();
    await publishing;
    await bridge.settled();

    await expectNoneFailed(bridge, lines);
    expect(hr.effects).toHaveLength(packets);
    expect(tokens.issued()).toBe(2);
  }, 60_000);
});
