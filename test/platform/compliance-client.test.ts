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

/** Everything an engine may do that is no answer. */
const silences: Readonly<Record<string, Answer>> = {
  "a server error": json({ action: "allow" }, 500),
  "no rights": json({ action: "allow" }, 403),
  "not found": json({ action: "allow" }, 404),
  "another success": json({ action: "allow" }, 202),
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
  "an action nobody knows": json({ action: "permit", rule: "r" }),
  "a mask of nothing": json({ action: "mask", rule: "r", fields: [] }),
  "a mask without a rule": json({ action: "mask", fields: ["rate"] }),
  "a block without a rule": json({ action: "block" }),
  "a value for a rule": json({ action: "block", rule: "123-45-6789" }),
  "a value within a rule": json({ action: "block", rule: "ssn:123-45-6789" }),
  "an address for a rule": json({ action: "block", rule: "ann@agency.gov" }),
  "a body that breaks off": (_, response) => {
    response.writeHead(200, { "content-type": "application/json", "content-length": 100 });
    response.write('{"action":"al');
    setTimeout(() => response.destroy(), 10);
  },
  "a huge body": (_, response) => {
    response.writeHead(200, { "content-type": "application/json" });
    response.end(`{"action":"allow","more":"${"x".repeat(2_000_000)}"}`);
  },
  "no answer in time": (_, response) => {
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

describe("the compliance engine outside", () => {
  it("asks about the outgoing fields and their target, and follows the ruling", async () => {
    await using server = await targetServer(json({ action: "mask", rule: "esq-17", fields: ["rate"], note: "more" }));

    const ruling = await portTo(server).ask(aRequest());

    expect(ruling).toEqual({ action: "mask", rule: "esq-17", fields: ["rate"] });
    expect(server.received).toMatchObject([{ method: "POST", path: "/vet", body: aRequest() }]);
  });

  it.each(Object.keys(silences))("that answers with %s was not asked", async (name) => {
    await using server = await targetServer(silences[name] as Answer);

    const began = performance.now();

    await expect(portTo(server, { timeoutMs: 150 }).ask(aRequest())).rejects.toBeInstanceOf(ComplianceUnavailableError);
    expect(performance.now() - began).toBeLessThan(800);
  });

  it("is told by its token, and once more with the new one where it was rotated", async () => {
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

  it("is where the settings of a bridge on this machine name it, and its token where the secrets are", async () => {
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

  it("asks once for the same request until the ruling expires", async () => {
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

/** A core whose governance is asked at a server. */
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

describe("governance asked over HTTP", () => {
  it.each(Object.keys(silences))("lets nothing leave at %s, and all when it returns", async (name) => {
    await using server = await targetServer(silences[name] as Answer);
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
  });

  it("lets nothing leave while nobody listens, for longer than the queue keeps trying, and gives no event up", async () => {
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

  it("lets what it will not answer about keep nothing else waiting", async () => {
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

  it("keeps the order in which events were accepted, however late it answers", async () => {
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

  it("masks and blocks what it says, by its rule, and the ledger says who decided", async () => {
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

  it("gives back nothing the policy has taken, and is not shown it", async () => {
    await using server = await targetServer(allows);
    await using core = await governed(server, "otherwise: mask");
    await core.emit({ id: "1", data: { note: "call 123-45-6789" } });
    await core.run();

    expect(server.received.map(({ body }) => body)).toMatchObject([
      { packet: { fields: { note: "call ***-**-6789" } } },
    ]);
    expect(core.target.calls.map(({ fields }) => fields)).toEqual([{ note: "call ***-**-6789" }]);
  });

  it("does not ask about what the policy blocks", async () => {
    await using server = await targetServer(allows);
    await using core = await governed(server);
    await core.emit({ id: "1", data: { note: "call 123-45-6789" } });
    await core.run();

    expect(server.received).toEqual([]);
    expect((await core.only()).progress.status).toBe("HELD");
  });

  it("waits where it speaks of a field the packet does not have: it may have meant another", async () => {
    await using server = await targetServer(json({ action: "mask", rule: "r", fields: ["daily_rate"] }));
    await using core = await governed(server);
    await core.emit({ id: "1", data: { new_rate: 1 } });
    await core.run();

    expect(core.target.calls).toEqual([]);
    expect(await core.packets()).toEqual([]);
  });

  it("sees every packet of a roster, a replay and a back-fill too", async () => {
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

  it("does not end a job that must wait for it", async () => {
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
