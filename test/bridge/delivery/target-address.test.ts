import { describe, expect, it } from "vitest";
import * as z from "zod";
import type { Engine } from "../../../bridge/engine.ts";
import { redriveWhenDue } from "../../../bridge/maintenance/redrive.ts";
import { addressOf } from "../../../bridge/model/connector-address.ts";
import { alertOf } from "../../../bridge/observability/alerts.ts";
import { confirmAddress, redriveNow } from "../../../bridge/operations/connector-operations.ts";
import { forget } from "../../../bridge/operations/forget-shadow.ts";
import type { JsonObject } from "../../../bridge/values/json.ts";
import { aCore, type Core, fakeTarget } from "../../support/core.ts";

const by = { actor: "jo", reason: "the server was renamed" };
const first = { baseUrl: "https://old.gov/api" };
const second = { baseUrl: "https://new.gov/api" };

/** Returns the engine with another configuration for its connectors. */
function at(core: Core, config: JsonObject): Engine {
  return { ...core.engine, configOf: () => config };
}

function moves({ lines }: Core): (string | undefined)[] {
  return lines.flatMap((line) => (line.step === "address-changed" ? [alertOf(line)?.type] : []));
}

function emit(core: Core, id: string, new_rate: number, note = "n"): Promise<void> {
  return core.emit({ id, subject: "a", data: { new_rate, note } });
}

describe("a connector's address", () => {
  it("stops sending once it changes, with one alert, until an operator decides", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    await emit(core, "1", 1);
    await core.run(at(core, first));
    expect(moves(core)).toEqual([]);

    await emit(core, "2", 2);
    await core.run(at(core, second));
    await emit(core, "3", 3);
    await core.run(at(core, second));

    expect(target.calls).toHaveLength(1);
    expect(moves(core)).toEqual(["sync.connector.moved"]);
    expect(await core.depth(`outbox:${target.id}`)).toBe(2);
    expect((await core.packets()).map(({ progress }) => progress.reason)).toContainEqual(
      expect.stringContaining("its address has changed"),
    );
    expect(await redriveNow(core.engine, target.connector, by)).toMatchObject({ kind: "refused" });
  });

  it.each([
    ["confirmed", [{ dailyRate: 2 }]],
    ["forgotten", [{ dailyRate: 2, note: "n" }]],
  ])("sends again once it is %s", async (act, sent) => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    await emit(core, "1", 1);
    await core.run(at(core, first));
    await emit(core, "2", 2);
    await core.run(at(core, second));

    if (act === "forgotten") await forget(core.engine, target.connector, "jo");
    else expect(await confirmAddress(core.engine, target.connector, by)).toMatchObject({ kind: "confirmed" });
    await redriveWhenDue(at(core, second), target.connector);
    await core.clock.advance(1_000);
    await core.run(at(core, second));

    expect(target.calls.slice(1).map(({ fields }) => fields)).toEqual(sent);
    expect(moves(core)).toHaveLength(1);
    const facts = (await core.entries()).map((entry) => entry.facts);
    if (act === "confirmed") expect(facts).toContainEqual(expect.objectContaining({ act: "confirm", actor: "jo" }));
  });

  it("counts as unchanged for a process that still has the known one, and again once the change is taken back", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    await emit(core, "1", 1);
    await core.run(at(core, first));
    await redriveWhenDue(at(core, second), target.connector);
    expect((await core.health(target))?.moved).toBeDefined();

    await emit(core, "2", 2);
    await core.run(at(core, first));
    expect(target.calls).toHaveLength(2);
    await core.clock.advance(121_000);
    await redriveWhenDue(at(core, first), target.connector);
    expect((await core.health(target))?.moved).toBeUndefined();
  });

  it("raises its alert without any packet", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    await emit(core, "1", 1);
    await core.run(at(core, first));

    await redriveWhenDue(at(core, second), target.connector);
    await redriveWhenDue(at(core, second), target.connector);

    expect(moves(core)).toHaveLength(1);
  });

  it("comes from the configuration if a store of an earlier release has none", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    await emit(core, "1", 1);
    await core.run(at(core, first));
    const [stored] = await core.engine.store.read("health", [target.id]);
    const { address: _, ...health } = stored?.value ?? { status: "UP", since: 0, strikes: [], paused: false };
    await core.engine.store.write([{ kind: "health", id: target.id, value: health, etag: stored?.etag ?? 0 }]);

    await emit(core, "2", 2);
    await core.run(at(core, second));

    expect(target.calls).toHaveLength(2);
    expect(moves(core)).toEqual([]);
  });

  it("appears only in the ledger if the order is strict", async () => {
    const target = fakeTarget({ order: "strict" });
    await using core = await aCore({ targets: [target] });
    await emit(core, "1", 1);
    await core.run(at(core, first));

    await emit(core, "2", 2);
    await core.run(at(core, second));

    expect(target.calls).toHaveLength(2);
    expect(moves(core)).toEqual([]);
    const noted = (await core.entries()).filter(({ facts }) => facts.type === "sync.connector.moved");
    expect(noted).toHaveLength(1);
  });

  it("cannot be confirmed if it has not changed", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });

    expect(await confirmAddress(core.engine, target.connector, by)).toMatchObject({ kind: "refused" });
  });
});

describe("the address in a configuration", () => {
  const { connector } = fakeTarget();

  it.each([
    ["a host", { baseUrl: "https://a.gov/x" }, { baseUrl: "https://b.gov/x" }],
    ["a path", { baseUrl: "https://a.gov/x" }, { baseUrl: "https://a.gov/y" }],
    ["a port", { host: "db", port: 5432 }, { host: "db", port: 5433 }],
    ["a database", { host: "db", database: "hr" }, { host: "db", database: "test" }],
    ["a table", { host: "db", table: "a" }, { host: "db", table: "b" }],
    ["a folder", { to: "file:///srv/a" }, { to: "file:///srv/b" }],
    ["a bucket", { to: "s3://one/x" }, { to: "s3://two/x" }],
    ["a layer", { arcgis: { layer: 1 } }, { arcgis: { layer: 2 } }],
    ["a URL in a list", { hosts: ["https://a.gov"] }, { hosts: ["https://b.gov"] }],
    ["a parameter", { url: "https://a.gov/?tenant=1" }, { url: "https://a.gov/?tenant=2" }],
  ])("changes with %s", (_, one, other) => {
    expect(addressOf(connector, one)).not.toEqual(addressOf(connector, other));
  });

  it.each([
    ["a rate", { baseUrl: "https://a.gov", perSecond: 1 }, { baseUrl: "https://a.gov", perSecond: 2 }],
    ["a login", { to: "sftp://jo@a.gov/x" }, { to: "sftp://al@a.gov/x" }],
    ["an API key", { url: "https://a.gov/?api_key=1" }, { url: "https://a.gov/?api_key=2" }],
    ["the address of tokens", { tokenUrl: "https://a.gov" }, { tokenUrl: "https://b.gov" }],
    ["a polled folder", { pickUp: { from: "file:///a" } }, { pickUp: { from: "file:///b" } }],
    ["a trailing slash or the default port", { url: "https://A.gov:443/x/" }, { url: "https://a.gov/x" }],
    ["the order of settings", { host: "a", database: "b" }, { database: "b", host: "a" }],
  ])("does not change with %s", (_, one, other) => {
    expect(addressOf(connector, one)).toEqual(addressOf(connector, other));
  });

  it("can be stated by the connector", () => {
    const config = z.object({ agency: z.string() });
    const own = { ...connector, config, address: (given: unknown) => (given as { agency: string }).agency };

    expect(addressOf(own, { agency: "a" })).toBe("a");
  });
});
