import { describe, expect, it } from "vitest";
import { missingConnectors } from "../../../bridge/maintenance/missing-connectors.ts";
import { runMaintenance } from "../../../bridge/maintenance/run-maintenance.ts";
import { Catalog } from "../../../bridge/model/connector.ts";
import { retry } from "../../../bridge/model/outcome.ts";
import { discard } from "../../../bridge/operations/discard.ts";
import { aCore, type Core, fakeTarget } from "../../support/core.ts";

function missing({ lines }: Core): unknown[] {
  return lines.flatMap(({ step, connector, packets }) => (step === "connector-missing" ? [[connector, packets]] : []));
}

async function withWaitingPacket() {
  const target = fakeTarget();
  const core = await aCore({ targets: [target] });
  target.behave = () => retry("answered 503", { status: 503 });
  await core.emit({ id: "1", subject: "a", data: { new_rate: 1 } });
  await core.run();
  await runMaintenance(core.engine);
  const [stored] = await core.packets();
  return { core, target, id: stored?.packet.id as string, removed: { ...core.engine, catalog: new Catalog([]) } };
}

describe("a missing connector", () => {
  it("raises one alert while packets wait for it, and another after it was installed in between", async () => {
    const { core, target, removed } = await withWaitingPacket();
    await using _ = core;
    expect(missing(core)).toEqual([]);

    for (let minute = 0; minute < 3; minute++) await runMaintenance(removed);
    expect(missing(core)).toEqual([["Fake@v1", 1]]);
    expect(await missingConnectors(removed)).toEqual([{ id: "Fake@v1", waiting: 1 }]);

    target.behave = (packet) => target.take(packet);
    await core.rest();
    expect(target.state.get("a")).toEqual({ dailyRate: 1 });
    await runMaintenance(removed);
    expect(missing(core)).toHaveLength(1);

    target.behave = () => retry("answered 503", { status: 503 });
    await core.emit({ id: "2", subject: "a", data: { new_rate: 2 } });
    await core.run();
    await runMaintenance(removed);
    expect(missing(core)).toHaveLength(2);
  });

  it("lets an operator discard its packets, even after an interrupted attempt", async () => {
    const { core, id, removed } = await withWaitingPacket();
    await using _ = core;
    const [stored] = await core.engine.store.read("packet", [id]);
    if (!stored) throw new Error("no packet");
    const lease = { owner: "gone", until: core.clock.now() - 1 };
    const value = { ...stored.value, progress: { ...stored.value.progress, lease } };
    await core.engine.store.write([{ kind: "packet", id, value, etag: stored.etag }]);
    const by = { actor: "jo", reason: "the system was shut down" };

    expect((await discard(core.engine, id, by)).kind).toBe("refused");
    expect((await discard(removed, id, by)).kind).toBe("done");
    expect(await missingConnectors(removed)).toEqual([{ id: "Fake@v1", waiting: 0 }]);
  });
});
