import { describe, expect, it } from "vitest";
import { delivered, refused, retry } from "../../bridge/model/outcome.ts";
import { levelOf, type MetricName, measurementsIn } from "../../functions/log-metrics.ts";
import { aCore, type Core, fakeTarget } from "../support/core.ts";

/** Returns the metrics of all log lines so far. */
function counted(core: Core): Partial<Record<MetricName, number>> {
  const sums: Partial<Record<MetricName, number>> = {};
  for (const { name, value } of core.lines.flatMap(measurementsIn)) sums[name] = (sums[name] ?? 0) + value;
  return sums;
}

/** Policy that allows every field, so that values reach the target, its responses and its errors. */
const allowAll = "otherwise: block\nrules:\n  - { id: all, field: '*', action: allow }";

describe("log lines", () => {
  it("measures a delivery's delay since it was queued and since its event", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    const time = new Date(core.clock.now() - 5_000).toISOString();
    await core.emit({ id: "1", time, data: { new_rate: 68 } });
    await core.map();
    await core.clock.advance(700);

    await core.run();

    const line = core.lines.find(({ step }) => step === "delivered");
    expect(line).toMatchObject({ connector: "Fake@v1", lagMs: 700, ageMs: 5_700 });
    expect(counted(core)).toMatchObject({ Acknowledged: 1, Lag: 700, EventToAcknowledged: 5_700, EventAge: 5_000 });
  });

  it("counts each event once, whatever its result", async () => {
    await using core = await aCore();
    const event = { id: "1", data: { new_rate: 68 } };
    await core.emit(event, event, "{ no JSON", { id: "2", type: "nobody.cares", data: {} });

    await core.run();

    expect(counted(core)).toMatchObject({
      EventsExpanded: 1,
      PacketsRecorded: 1,
      EventsDuplicate: 1,
      EventsQuarantined: 1,
      EventsUnmatched: 1,
    });
  });

  it("counts mapping faults apart from governance holds, because only the former roll sheets back", async () => {
    const sheets = {
      faulty: "source_event: a\ntargets: { f: { connector: Fake, map: { v: { to: v, with: '$error(1)' } } } }",
      plain: "source_event: b\ntargets: { f: { connector: Fake, map: { v: v } } }",
    };
    await using core = await aCore({ sheets });

    await core.emit({ id: "1", type: "a", data: { v: 1 } }, { id: "2", type: "b", data: { v: "123-45-6789" } });
    await core.map();

    expect(counted(core)).toMatchObject({ EventsExpanded: 2, MappingFaults: 1, Held: 2 });
  });

  it("counts the packets of an event that is too large for one transaction", async () => {
    const sheets = {
      roster: "source_event: t\ntargets: { f: { connector: Fake, for_each: data.all, key: id, map: { v: v } } }",
    };
    await using core = await aCore({ sheets });
    const all = Array.from({ length: 70 }, (_, i) => ({ id: `e-${i}`, v: i }));

    await core.emit({ id: "1", type: "t", data: { all } });
    await core.map();

    expect(counted(core)).toMatchObject({ EventsExpanded: 1, PacketsRecorded: 70 });
  });

  it("counts packets that were not sent because the target has their value or a newer one", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    const at = (second: number) => new Date(core.clock.now() - 60_000 + second * 1_000).toISOString();
    await core.emit({ id: "2", time: at(2), data: { new_rate: 2 } });
    await core.run();

    await core.emit({ id: "3", time: at(3), data: { new_rate: 2 } }, { id: "1", time: at(1), data: { new_rate: 1 } });
    await core.run();

    expect(counted(core)).toMatchObject({ Acknowledged: 1, Unchanged: 1, Superseded: 1 });
  });

  it.each([
    ["answered", () => retry("answered 503", { status: 503 })],
    ["credentials", () => retry("refused the credentials (401)", { status: 401, auth: true })],
    ["threw", () => Promise.reject(new Error("a rate of 68 for r.alvarez@agency.example"))],
    ["other", () => retry("the file r.alvarez@agency.example is locked")],
  ] as const)("reports the reason of a retry in one word: %s", async (why, behave) => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    target.behave = behave;
    await core.emit({ id: "1", data: { new_rate: 1 } });

    await core.run();

    expect(core.lines.find(({ step }) => step === "retry")).toMatchObject({ why });
    expect(counted(core)).toMatchObject({ Retries: 1 });
  });

  it("counts held packets: those the target refused and those governance blocked", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    target.behave = () => refused("answered 422");
    await core.emit({ id: "1", data: { new_rate: 1 } }, { id: "2", data: { note: "call 123-45-6789" } });

    await core.run();

    const held = core.lines.filter(({ step }) => step === "held");
    expect(held.map(({ why }) => why).sort()).toEqual(["governance", "refused"]);
    expect(counted(core)).toMatchObject({ Held: 2 });
  });

  it("counts packets moved to the outbox, and a target that is down until it is up again", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    target.behave = () => retry("answered 503", { status: 503 });
    target.awake = false;
    for (let i = 0; i < 5; i++) await core.emit({ id: `${i}`, subject: `s-${i}`, data: { new_rate: i + 1 } });
    await core.rest(10 * 60_000);
    const during = counted(core);

    target.awake = true;
    target.behave = (packet) => target.take(packet);
    await core.rest();

    // One line of the circuit breaker, and at least one failed probe per minute.
    expect(during.TargetDown).toBeGreaterThanOrEqual(9);
    expect(during.Parked).toBeGreaterThanOrEqual(5);
    expect(counted(core)).toMatchObject({ Acknowledged: 5 });
    expect(counted(core).TargetDown).toBe(during.TargetDown);
  });

  it("contains no value from a packet, a target or an error", async () => {
    const planted = ["r.alvarez@agency.example", "123-45-6789", "Alvarez"];
    const target = fakeTarget();
    await using core = await aCore({ targets: [target], governance: allowAll });
    const answers = [
      () => retry(`answered 503: ${planted}`, { status: 503 }),
      () => refused(`answered 422: ${planted}`, { status: 422, answer: planted.join() }),
      () => Promise.reject(new Error(planted.join())),
      () => delivered({ at: `/people/${planted[0]}`, remoteId: planted[2] }),
    ];
    target.behave = (_, call) => (answers[call % answers.length] as () => ReturnType<typeof target.behave>)();
    for (const [i, note] of [...planted, ...planted].entries()) {
      await core.emit({ id: `e-${i}`, subject: note, data: { new_rate: i, note } });
    }
    await core.emit(`{ "id": "x", "data": "${planted.join()}"`, { id: "z", type: "t", subject: "s", data: {} });

    await core.rest(120_000);

    const logged = JSON.stringify(core.lines);
    expect(new Set(core.lines.map(({ step }) => step)).size).toBeGreaterThanOrEqual(6);
    for (const value of planted) expect(logged).not.toContain(value);
  });

  it("uses no field name that the logger reserves", async () => {
    // Source: Powertools for AWS Lambda (TypeScript), Logger, reserved keys: it drops them.
    const reserved = ["level", "message", "sampling_rate", "service", "timestamp"];
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    target.behave = () => retry("answered 503");
    await core.engine.queue.send("lane:Fake@v1", [{ group: "g", dedup: "d", body: "{}" }]);
    await core.emit({ id: "1", data: { new_rate: 1 } }, "{");

    await core.rest(120_000);

    const names = new Set(core.lines.flatMap((line) => Object.keys(line)));
    expect(reserved.filter((name) => names.has(name))).toEqual([]);
  });

  it("raises the level of a line that reports a problem", () => {
    expect(levelOf({ step: "delivered" })).toBe("INFO");
    expect(levelOf({ step: "retry" })).toBe("WARN");
    expect(levelOf({ step: "accept-failed" })).toBe("ERROR");
    expect(levelOf({ step: "something new" })).toBe("INFO");
  });
});
