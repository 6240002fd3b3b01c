import { describe, expect, it } from "vitest";
import {
  type CompliancePort,
  type ComplianceRequest,
  ComplianceUnavailableError,
} from "../../bridge/governance/compliance-engine.ts";
import { runJobs, startJob } from "../../bridge/jobs/job-runner.ts";
import { sheetSet } from "../../bridge/mapping/sheet-set.ts";
import { Catalog } from "../../bridge/model/connector.ts";
import type { SecretsPort } from "../../bridge/ports/secrets.ts";
import type { JsonObject } from "../../bridge/values/json.ts";
import { createHttp, hostsIn } from "../../connectors/protocols/http/client.ts";
import { systemClock } from "../../platform/clock.ts";
import { createComplianceClient } from "../../platform/compliance-client.ts";
import { openLocalEngine } from "../../platform/local/engine.ts";
import { checkSettings } from "../../platform/local/settings.ts";
import { aKey } from "../support/builders.ts";
import { aCore, type Core, fakeTarget } from "../support/core.ts";
import { type Answer, type TargetServer, targetServer } from "../support/target-server.ts";

const json = (body: unknown, status = 200): Answer => {
  return (_, response) => {
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  };
};

const allows = json({ action: "allow", rule: "esq-1" });

const noSecrets: SecretsPort = { get: async () => undefined, refresh: async () => {} };

function portTo(
  server: TargetServer,
  given: { cacheMs?: number; timeoutMs?: number; secrets?: SecretsPort } = {},
): CompliancePort {
  const url = `${server.url}/vet`;
  return createComplianceClient({
    settings: { url, timeoutMs: given.timeoutMs ?? 5_000, cacheMs: given.cacheMs ?? 0 },
    http: createHttp({ allowedHosts: [new URL(url).host] }),
    secrets: given.secrets ?? noSecrets,
    bridgeKey: aKey,
    clock: systemClock(),
  });
}

const aRequest = (fields: JsonObject = { rate: 68 }): ComplianceRequest => {
  return { action: "external_sync", target: "Fake@v1", packet: { entity: "e-1", fields } };
};

/** Responses of a compliance engine that are not valid rulings. */
const invalidAnswers: Readonly<Record<string, Answer>> = {
  "a server error": json({ action: "allow" }, 500),
  "a denied request": json({ action: "allow" }, 403),
  "a missing endpoint": json({ action: "allow" }, 404),
  "another success status": json({ action: "allow" }, 202),
  "a redirect": (_, response) => {
    response.writeHead(307, { location: "/elsewhere" }).end();
  },
  "an empty body": (_, response) => {
    response.writeHead(200).end();
  },
  "a login page": (_, response) => {
    response.writeHead(200, { "content-type": "text/html" }).end("<html>allow</html>");
  },
  "no ruling": json({ verdict: "allow" }),
  "a list": json([{ action: "allow" }]),
  "an unknown action": json({ action: "permit", rule: "r" }),
  "a mask without fields": json({ action: "mask", rule: "r", fields: [] }),
  "a mask without a rule": json({ action: "mask", fields: ["rate"] }),
  "a block without a rule": json({ action: "block" }),
  "a personal value as rule": json({ action: "block", rule: "123-45-6789" }),
  "a personal value within a rule": json({ action: "block", rule: "ssn:123-45-6789" }),
  "an email address as rule": json({ action: "block", rule: "ann@agency.gov" }),
  "a truncated body": (_, response) => {
    response.writeHead(200, { "content-type": "application/json", "content-length": 100 });
    response.write('{"action":"al');
    setTimeout(() => response.destroy(), 10);
  },
  "a huge body": (_, response) => {
    response.writeHead(200, { "content-type": "application/json" });
    response.end(`{"action":"allow","more":"${"x".repeat(2_000_000)}"}`);
  },
  "a timeout": (_, response) => {
    setTimeout(() => response.destroy(), 1_000).unref();
  },
  "a body that never ends": (_, response) => {
    response.writeHead(200, { "content-type": "application/json" });
    response.write('{"action":');
    setTimeout(() => response.destroy(), 1_000).unref();
  },
  "a closed connection": (_, response) => {
    response.destroy();
  },
};

describe("compliance client", { tags: "row-22" }, () => {
  it("sends the outgoing fields and their target, and returns the ruling", async () => {
    await using server = await targetServer(json({ action: "mask", rule: "esq-17", fields: ["rate"], note: "more" }));

    const ruling = await portTo(server).ask(aRequest());

    expect(ruling).toEqual({ action: "mask", rule: "esq-17", fields: ["rate"] });
    expect(server.received).toMatchObject([{ method: "POST", path: "/vet", body: aRequest() }]);
  });

  it.each(Object.keys(invalidAnswers))("treats %s as an unavailable engine", async (name) => {
    await using server = await targetServer(invalidAnswers[name] as Answer);

    const began = performance.now();

    await expect(portTo(server, { timeoutMs: 150 }).ask(aRequest())).rejects.toBeInstanceOf(ComplianceUnavailableError);
    expect(performance.now() - began).toBeLessThan(800);
  });

  it("sends its token, and retries once with the new one after a rotation", async () => {
    await using server = await targetServer((request, response) => {
      const answer = request.headers.authorization === "Bearer new" ? allows : json({}, 401);
      answer(request, response);
    });
    let token = "old";
    const secrets: SecretsPort = {
      get: async () => ({ token }),
      refresh: async () => {
        token = "new";
      },
    };

    expect(await portTo(server, { secrets }).ask(aRequest())).toMatchObject({ action: "allow" });
  });

  it("reads the engine's URL from the local settings and its token from the secrets", async () => {
    await using server = await targetServer(allows);
    const settings = checkSettings({ governance: { url: `${server.url}/esq` } }, "the test");
    const engine = await openLocalEngine({
      dir: ":memory:",
      catalog: new Catalog([]),
      sheets: () => sheetSet([], { otherwise: "block", rules: [] }),
      settings,
      http: (config) => createHttp({ allowedHosts: hostsIn(config) }),
      env: { BRIDGE_SECRET_GOVERNANCE: '{"token":"t-1"}' },
    });

    await engine.compliance?.ask(aRequest());

    expect(server.received).toMatchObject([{ path: "/esq", headers: { authorization: "Bearer t-1" } }]);
    await engine.queue.end();
    await engine.db.close();
  });

  it("stops calling the engine after five failures in a row", async () => {
    await using server = await targetServer(json({}, 500));
    const port = portTo(server);
    for (let i = 0; i < 9; i++) await port.ask(aRequest()).catch(() => {});

    expect(server.received).toHaveLength(5);
    await expect(port.ask(aRequest())).rejects.toThrow("5 times in a row");
  });

  it("caches the ruling for a request until it expires", async () => {
    await using server = await targetServer(allows);
    const port = portTo(server, { cacheMs: 60_000 });

    for (let i = 0; i < 3; i++) await port.ask(aRequest({ rate: 68 }));
    await port.ask(aRequest({ rate: 69 }));

    expect(server.received).toHaveLength(2);
  });

  it("never treats an unanswered request as allowed", async () => {
    await using server = await targetServer(json({}, 500));
    const port = portTo(server, { cacheMs: 60_000 });
    await port.ask(aRequest()).catch(() => {});

    await expect(port.ask(aRequest())).rejects.toBeInstanceOf(ComplianceUnavailableError);
  });
});

/** Creates a core that sends governance requests to a server. */
async function governed(
  server: TargetServer,
  governance = "otherwise: block",
  timeoutMs = 5_000,
): Promise<Core & { target: ReturnType<typeof fakeTarget> }> {
  const target = fakeTarget();
  const core = await aCore({ targets: [target], governance });
  Object.assign(core.engine, { compliance: portTo(server, { timeoutMs }) });
  return Object.assign(core, { target });
}

const five = Array.from({ length: 5 }, (_, i) => ({ id: `c-${i}`, subject: `s-${i}`, data: { new_rate: i + 1 } }));

describe("governance over HTTP", { tags: "row-22" }, () => {
  it.each(Object.keys(invalidAnswers))(
    "sends nothing after %s, and everything once the engine answers again",
    async (name) => {
      await using server = await targetServer(invalidAnswers[name] as Answer);
      await using core = await governed(server, undefined, 150);
      await core.emit(...five);
      await core.run();
      await core.clock.advance(10_000);
      await core.run();
      expect(core.target.calls).toEqual([]);
      expect((await core.packets()).length).toBe(0);

      server.answer = allows;
      Object.assign(core.engine, { compliance: portTo(server) });
      await core.rest();

      expect(core.target.calls).toHaveLength(5);
      expect(new Set((await core.packets()).map(({ progress }) => progress.status))).toEqual(new Set(["SENT"]));
    },
  );

  it("sends nothing and loses no event during an outage longer than the queue's retries", async () => {
    await using server = await targetServer(allows);
    await using core = await governed(server);
    await server.stop();
    await core.emit(...five);
    await core.rest(1_200_000);
    expect(core.target.calls).toEqual([]);
    expect(await core.depth("inbox-dead")).toBe(0);
    expect((await core.engine.store.tally()).events.EXPANDING).toBe(5);

    await server.restart();
    Object.assign(core.engine, { compliance: portTo(server) });
    await core.rest();

    expect(core.target.calls).toHaveLength(5);
    expect(core.lines.some(({ step }) => step === "governance-not-asked")).toBe(true);
  }, 60_000);

  it("delays only the packets the engine does not rule on", async () => {
    await using server = await targetServer(json({}, 500));
    await using core = await governed(server);
    await core.emit(...five);
    await core.rest(1_200_000);
    server.answer = (request, response) => {
      const { entity } = (request.body as ComplianceRequest).packet;
      (entity === "s-0" ? json({ action: "who knows" }) : allows)(request, response);
    };
    Object.assign(core.engine, { compliance: portTo(server) });

    await core.rest(600_000);

    expect(core.target.calls.map(({ entity }) => entity).sort()).toEqual(["s-1", "s-2", "s-3", "s-4"]);
  }, 60_000);

  it("keeps the order in which events were accepted, however late the ruling", async () => {
    await using server = await targetServer(json({}, 500));
    await using core = await governed(server);
    await core.emit({ id: "old", subject: "s", data: { new_rate: 1 } });
    await core.run();
    server.answer = allows;
    Object.assign(core.engine, { compliance: portTo(server) });
    await core.emit({ id: "new", subject: "s", data: { new_rate: 2 } });
    await core.run();

    await core.rest();

    expect(core.target.state.get("s")).toEqual({ dailyRate: 2 });
  });

  it("masks and blocks as the engine rules, and records the rule in the ledger", async () => {
    await using server = await targetServer((request, response) => {
      const { fields } = (request.body as ComplianceRequest).packet;
      const ruling =
        fields.city === "Secret"
          ? { action: "block", rule: "esq-no-secrets", fields: ["city"] }
          : { action: "mask", rule: "esq-notes", fields: ["note"] };
      json(ruling)(request, response);
    });
    await using core = await governed(server);
    await core.emit({ id: "1", subject: "a", data: { new_rate: 1, note: "Ann is ill" } });
    await core.emit({ id: "2", subject: "b", data: { new_rate: 2, city: "Secret" } });
    await core.run();

    const [masked, blocked] = await core.packets();
    expect(core.target.calls.map(({ fields }) => fields)).toEqual([{ dailyRate: 1, note: "***" }]);
    expect(blocked?.progress).toMatchObject({ status: "HELD", reason: "governance blocks city (esq-no-secrets)" });
    const [born] = await core.engine.store.chain(masked?.packet.id as string);
    expect(born?.facts.governance).toEqual([
      { field: "note", action: "mask", rule: "esq-notes", kinds: [], by: "compliance" },
    ]);
    expect(JSON.stringify(await core.entries())).not.toMatch(/Ann is ill|Secret"/);
  });

  it("never sends the engine values that the policy masks, and never restores them", async () => {
    await using server = await targetServer(allows);
    await using core = await governed(server, "otherwise: mask");
    await core.emit({ id: "1", data: { note: "call 123-45-6789" } });
    await core.run();

    expect(server.received.map(({ body }) => body)).toMatchObject([
      { packet: { fields: { note: "call ***-**-6789" } } },
    ]);
    expect(core.target.calls.map(({ fields }) => fields)).toEqual([{ note: "call ***-**-6789" }]);
  });

  it("sends no request for a packet that the policy blocks", async () => {
    await using server = await targetServer(allows);
    await using core = await governed(server);
    await core.emit({ id: "1", data: { note: "call 123-45-6789" } });
    await core.run();

    expect(server.received).toEqual([]);
    expect((await core.only()).progress.status).toBe("HELD");
  });

  it("waits if the ruling masks a field that the packet does not have, since it may mean another", async () => {
    await using server = await targetServer(json({ action: "mask", rule: "r", fields: ["daily_rate"] }));
    await using core = await governed(server);
    await core.emit({ id: "1", data: { new_rate: 1 } });
    await core.run();

    expect(core.target.calls).toEqual([]);
    expect(await core.packets()).toEqual([]);
  });

  it("sends a request for every packet of a roster and of a replay", async () => {
    await using server = await targetServer(allows);
    await using core = await governed(server);
    const sheets = {
      roster: "source_event: t\ntargets: { f: { connector: Fake, for_each: data.all, key: id, map: { v: v } } }",
    };
    await core.use(sheets);
    await core.emit({
      id: "1",
      type: "t",
      data: { all: Array.from({ length: 40 }, (_, i) => ({ id: `e-${i}`, v: i })) },
    });
    await core.rest();
    expect(server.received).toHaveLength(40);

    await core.clock.advance(1_000);
    server.answer = json({ action: "block", rule: "esq-stop" });
    const request = { from: 0, to: core.clock.now() };
    await startJob(core.engine, { kind: "replay", actor: "jo", request });
    await core.jobs();

    const held = (await core.packets()).filter(({ progress }) => progress.status === "HELD");
    expect(held).toHaveLength(40);
    expect(held[0]?.progress.reason).toBe("governance blocks the packet (esq-stop)");
  });

  it("keeps a job running while the engine is unavailable", async () => {
    await using server = await targetServer(allows);
    await using core = await governed(server);
    await core.emit(...five);
    await core.rest();
    await server.stop();
    await core.clock.advance(1_000);
    const { id } = await startJob(core.engine, {
      kind: "replay",
      actor: "jo",
      request: { from: 0, to: core.clock.now() },
    });
    for (let i = 0; i < 12; i++) {
      await runJobs(core.engine, () => true);
      await core.clock.advance(60_000);
    }
    expect((await core.engine.store.read("job", [id]))[0]?.value.status).toBe("RUNNING");

    await server.restart();
    Object.assign(core.engine, { compliance: portTo(server) });
    await core.jobs();

    expect((await core.engine.store.read("job", [id]))[0]?.value).toMatchObject({ status: "DONE", made: 5 });
  });
});
