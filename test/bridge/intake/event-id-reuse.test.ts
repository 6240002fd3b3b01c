import { describe, expect, it } from "vitest";
import { startJob } from "../../../bridge/jobs/job-runner.ts";
import { eventKey } from "../../../bridge/model/event.ts";
import { alertOf } from "../../../bridge/observability/alerts.ts";
import { aCore, type Core, fakeTarget, invariantViolations } from "../../support/core.ts";

const key = eventKey({ source: "hms.policy", id: "1" });

async function quarantined({ engine }: Core) {
  const events = await engine.store.events({ limit: 100 });
  return events.filter(({ value }) => value.status === "QUARANTINED");
}

function alerts({ lines }: Core): string[] {
  return lines.flatMap((line) => (line.step === "event-id-reused" ? [alertOf(line)?.type ?? ""] : []));
}

describe("an event id used again", () => {
  it.each([
    ["other data", { data: { new_rate: 2 } }],
    ["another subject", { subject: "b" }],
    ["another type", { type: "nobody.cares" }],
    ["another sequence", { sequence: 2 }],
    ["a null instead of an absent field", { data: { new_rate: 1, note: null } }],
  ])("quarantines an event with %s once, and raises one alert", async (_, other) => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    const event = { id: "1", subject: "a", data: { new_rate: 1 } };
    await core.emit(event);
    await core.run();

    await core.emit({ ...event, ...other }, { ...event, ...other });
    await core.run();

    const [found, ...more] = await quarantined(core);
    expect(more).toEqual([]);
    expect(found?.value.reason).toContain(key);
    expect(found?.value.event).toBeUndefined();
    expect(JSON.parse(found?.value.raw ?? "{}")).toMatchObject({ ...event, ...other });
    expect(alerts(core)).toEqual(["sync.event.reused"]);
    expect((await core.engine.store.tally()).events).toMatchObject({ EXPANDED: 1, QUARANTINED: 1, duplicates: 1 });
    expect(target.calls).toHaveLength(1);
    expect(await invariantViolations(core, 3)).toEqual([]);
  });

  it("counts an event with the same content as a duplicate, whatever the order of its fields and its time", async () => {
    await using core = await aCore();
    await core.emit({ id: "1", data: { new_rate: 1, note: "n" }, time: "2026-03-01T11:00:00Z" });
    await core.emit({ id: "1", data: { note: "n", new_rate: 1 }, time: "2026-03-01T11:00:01Z" });
    await core.run();

    expect(alerts(core)).toEqual([]);
    expect((await core.engine.store.tally()).events).toMatchObject({ EXPANDED: 1, QUARANTINED: 0, duplicates: 1 });
  });

  it("quarantines each further content of one id on its own, even in one batch", async () => {
    await using core = await aCore();
    await core.emit(...[1, 2, 3, 2].map((new_rate) => ({ id: "1", data: { new_rate } })));
    await core.run();

    expect(await quarantined(core)).toHaveLength(2);
    expect(alerts(core)).toHaveLength(2);
    expect(await invariantViolations(core, 4)).toEqual([]);
  });

  it("compares with the stored event if an earlier release kept no digest of it", async () => {
    await using core = await aCore();
    await core.emit({ id: "1", data: { new_rate: 1 } });
    await core.run();
    await withoutDigest(core, false);

    await core.emit({ id: "1", data: { new_rate: 1 } }, { id: "1", data: { new_rate: 2 } });
    await core.run();

    expect((await core.engine.store.tally()).events).toMatchObject({ QUARANTINED: 1, duplicates: 1 });
  });

  it("counts a duplicate, and records that the content is unknown, if neither digest nor event are left", async () => {
    await using core = await aCore();
    await core.emit({ id: "1", data: { new_rate: 1 } });
    await core.run();
    await withoutDigest(core, true);

    await core.emit({ id: "1", data: { new_rate: 2 } });
    await core.run();

    expect((await core.engine.store.tally()).events).toMatchObject({ QUARANTINED: 0, duplicates: 1 });
    expect((await core.engine.store.chain(key)).at(-1)?.facts).toEqual({
      content: "not compared, because the earlier event is erased",
    });
  });

  it("does not map the quarantined event in a backfill of recorded events", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    await core.emit({ id: "1", subject: "a", data: { new_rate: 1 } });
    await core.emit({ id: "1", subject: "b", data: { new_rate: 2 } });
    await core.run();

    const from = { kind: "events", since: 0, until: core.clock.now() + 1 } as const;
    const request = { targets: ["per_diem.fake"], from };
    await startJob(core.engine, { kind: "backfill", request, actor: "jo" });
    await core.jobs();

    expect(await core.packets()).toHaveLength(1);
  });
});

/** Changes the only event's record to what an earlier release left, before or after its body was erased. */
async function withoutDigest({ engine }: Core, isErased: boolean): Promise<void> {
  const [stored] = await engine.store.read("event", [key]);
  if (!stored) throw new Error("the event is not recorded");
  const { digest: _, event, ...value } = stored.value;
  const kept = isErased || !event ? { ...value, erased: { at: engine.clock.now() } } : { ...value, event };
  const erases = isErased ? { erases: stored.value } : {};
  await engine.store.write([{ kind: "event", id: key, value: kept, etag: stored.etag, ...erases }]);
}
