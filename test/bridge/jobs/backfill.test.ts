import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";
import type { Engine } from "../../../bridge/engine.ts";
import { previewBackfill, targetsOf } from "../../../bridge/jobs/backfill.ts";
import { runJobs, startJob } from "../../../bridge/jobs/job-runner.ts";
import { packetsOf } from "../../../bridge/jobs/replay.ts";
import { eventKey } from "../../../bridge/model/event.ts";
import type { BackfillRequest } from "../../../bridge/model/job.ts";
import { aCore, type Core, type CoreOptions, fakeTarget, invariantViolations } from "../../support/core.ts";
import { crashAfter } from "../../support/crash-after.ts";
import { type Home, home } from "../../support/home.ts";

const toOld = "source_event: rate\ntargets:\n  old: { connector: Old, map: { rate: rate } }\n";
const toBoth = `${toOld}  new: { connector: New, map: { rate: price } }\n`;
const always = { kind: "events", since: 0, until: Number.MAX_SAFE_INTEGER } as const;
const toNew = ["rates.new"];

describe("a backfill of recorded events", { tags: "row-31" }, () => {
  it("sends older events with their original version to the chosen new target only", async () => {
    await using office = await anOffice({ rates: toOld });
    const { core, old, fresh } = office;
    await emitRates(core, 5);
    await core.use({ rates: toBoth });

    const job = await backfilled(core, { targets: toNew, from: always });
    await core.rest();

    expect(job).toMatchObject({ status: "DONE", looked: 5, made: 5 });
    expect(fresh.state.get("r4")).toEqual({ price: 4 });
    expect(old.calls).toHaveLength(5);
    const [first] = (await core.packets()).filter(({ packet }) => packet.target === "new");
    const [event] = await core.engine.store.read("event", [first?.packet.event as string]);
    expect(first?.packet.version).toMatchObject({ accepted: event?.value.accepted, revision: 0 });
    const [birth] = await core.engine.store.chain(first?.packet.id as string);
    expect(birth?.facts).toMatchObject({ job: job.id, actor: "jo" });
    expect(await invariantViolations(core, 5)).toEqual([]);
  });

  it("creates no packet that already exists from an earlier backfill or from the event itself", async () => {
    await using office = await anOffice({ rates: toOld });
    const { core, fresh } = office;
    await emitRates(core, 3);
    await core.use({ rates: toBoth });
    await core.emit({ id: "late", type: "rate", subject: "late", data: { rate: 9 } });
    await core.rest();

    const first = await backfilled(core, { targets: toNew, from: always });
    const second = await backfilled(core, { targets: toNew, from: always });
    await core.rest();

    expect([first.made, second.made]).toEqual([3, 0]);
    expect(fresh.calls).toHaveLength(4);
  });

  it("overwrites nothing newer", async () => {
    await using office = await anOffice({ rates: toOld });
    const { core, fresh } = office;
    await core.emit({ id: "1", type: "rate", subject: "r", sequence: 1, data: { rate: 1 } });
    await core.rest();
    await core.use({ rates: toBoth });
    await core.emit({ id: "2", type: "rate", subject: "r", sequence: 2, data: { rate: 2 } });
    await core.rest();

    await backfilled(core, { targets: toNew, from: always });
    await core.rest();

    expect(fresh.state.get("r")).toEqual({ price: 2 });
    expect((await core.packets()).map(({ progress }) => progress.status).sort()).toEqual([
      "SENT",
      "SENT",
      "SENT",
      "SUPERSEDED",
    ]);
  });

  it("selects events by time of acceptance, including the start and excluding the end", async () => {
    await using office = await anOffice({ rates: toOld });
    const { core, fresh } = office;
    const began = core.clock.now();
    for (let i = 0; i < 4; i++) {
      await core.emit({ id: `${i}`, type: "rate", subject: `r${i}`, data: { rate: i } });
      await core.run();
      await core.clock.advance(1_000);
    }
    await core.use({ rates: toBoth });

    await backfilled(core, { targets: toNew, from: { kind: "events", since: began + 1_000, until: began + 3_000 } });
    await core.rest();

    expect([...fresh.state.keys()]).toEqual(["r1", "r2"]);
  });

  it("reaches targets that are in force now, whatever was in force when the event arrived", async () => {
    await using office = await anOffice({ rates: toOld });
    const { core, fresh } = office;
    await emitRates(core, 2);
    const from = new Date(core.clock.now() - 1_000).toISOString();
    await core.use({ rates: toBoth.replace("connector: New,", `connector: New, from: "${from}",`) });
    const there = await backfilled(core, { targets: toNew, from: always });
    await core.use({ rates: toBoth.replace("connector: New,", `connector: New, until: "${from}",`) });
    const over = await backfilled(core, { targets: toNew, from: always });
    await core.rest();

    expect([there.made, over.made]).toEqual([2, 0]);
    expect(fresh.calls).toHaveLength(2);
  });

  it("expands a large roster in chunks, from the event or the original file version, and reports duplicate keys", async () => {
    using folder = home({ "in/roster.ndjson": linesOf(somePeople(1_200)) });
    const people = somePeople(1_100);
    people[1_050] = { badge: "b3", desk: -1 };
    const array =
      "source_event: rate\ntargets:\n  old: { connector: Old, map: { rate: rate } }\n  new: { connector: New, for_each: data.people, key: badge, map: { desk: desk } }\n";
    const file = array.replace("data.people", "{ ndjson: data.uri }");
    await using office = await anOffice({ rates: toOld }, folder);
    const { core, fresh } = office;
    await core.emit(
      { id: "1", type: "rate", data: { rate: 1, people } },
      { id: "2", type: "rate", data: { rate: 2, uri: addressOf(folder, "in/roster.ndjson") } },
    );
    await core.rest();

    await core.use({ rates: array });
    const first = await backfilled(core, { targets: toNew, from: always });
    await core.rest();
    expect(first.made).toBe(1_101);
    expect(await reasons(core)).toEqual([
      expect.stringContaining("the same key twice"),
      "for_each: data.people is not an array in the event",
    ]);
    expect(fresh.calls).toHaveLength(1_099);

    await core.use({ rates: file });
    const second = await backfilled(core, { targets: toNew, from: always });
    await core.rest();
    expect(second.made).toBe(1_201);
    expect(fresh.state.get("b1199")).toEqual({ desk: 1_199 });
    expect(await invariantViolations(core, 2)).toEqual([]);
  }, 60_000);

  it("continues after a crash before any write and creates nothing twice", async () => {
    const roster = `${toOld}  new: { connector: New, for_each: data.people, key: badge, map: { desk: desk } }\n`;
    let points = 0;
    for (let writes = 0, over = false; !over; writes++, points++) {
      await using office = await anOffice({ rates: toOld });
      const { core, fresh } = office;
      await emitRates(core, 3, (i) => ({
        rate: i,
        people: somePeople(i === 1 ? 510 : 2).map((one) => ({ ...one, badge: `${i} ${one.badge}` })),
      }));
      await core.use({ rates: roster });
      const { id } = await startJob(core.engine, {
        kind: "backfill",
        request: { targets: toNew, from: always },
        actor: "jo",
      });

      await withRoom(
        core,
        runJobs(crashAfter(core.engine, writes), () => true),
      );
      over = (await jobOf(core, id)).status === "DONE";
      await core.clock.advance(core.engine.times.leaseMs);
      await core.jobs();
      await core.rest();

      expect(await jobOf(core, id), `after ${writes} writes`).toMatchObject({ status: "DONE", made: 514 });
      expect(fresh.effects.size).toBe(514);
      expect([...fresh.effects.values()].every((times) => times === 1)).toBe(true);
      expect(await invariantViolations(core, 3)).toEqual([]);
    }
    expect(points).toBeGreaterThan(15);
  }, 120_000);

  it("waits for events that the store lists with a delay", async () => {
    await using office = await anOffice({ rates: toOld });
    const { core } = office;
    await emitRates(core, 2);
    await core.use({ rates: toBoth });
    const slow = withLateEvents(core.engine, 35_000);

    const { id } = await startJob(core.engine, {
      kind: "backfill",
      request: { targets: toNew, from: always },
      actor: "jo",
    });
    const working = runJobs(slow, () => true);
    await core.clock.advance(5_000);
    expect(await jobOf(core, id)).toMatchObject({ status: "RUNNING", made: 0 });
    await core.clock.advance(40_000);
    await working;

    expect(await jobOf(core, id)).toMatchObject({ status: "DONE", made: 2 });
  });

  it.each([
    [10, 20, 2],
    [100, 1_000, 10],
  ])("keeps to %i packets per second, so %i packets take about %i s", async (perSecond, events, seconds) => {
    await using office = await anOffice({ rates: toOld });
    const { core } = office;
    await emitRates(core, events);
    await core.use({ rates: toBoth });
    const began = core.clock.now();

    const { id } = await startJob(core.engine, {
      kind: "backfill",
      request: { targets: toNew, from: always },
      actor: "jo",
      perSecond,
    });
    while ((await jobOf(core, id)).status === "RUNNING") await core.jobs();

    const ended = (await jobOf(core, id)).endedAt as number;
    expect((ended - began) / 1_000).toBeGreaterThanOrEqual(seconds - 1);
    expect((ended - began) / 1_000).toBeLessThan(seconds * 1.6 + 2);
  });
});

describe("a backfill of a snapshot", { tags: "row-31" }, () => {
  const line = (n: number, more: object = {}) => ({
    source: "hms.snapshot",
    type: "rate",
    time: "2026-02-01T00:00:00Z",
    subject: `r${n}`,
    data: { rate: n },
    ...more,
  });

  it("imports each line as an event for the chosen targets only, and a repeat changes nothing", async () => {
    using folder = home({ "in/all.ndjson": linesOf([line(1), line(2, { id: "own" }), line(3)]) });
    await using office = await anOffice({ rates: toBoth }, folder);
    const { core, old, fresh } = office;

    const first = await backfilled(core, await snapshot(core, folder));
    await core.rest();
    const before = await core.entries();
    const second = await backfilled(core, await snapshot(core, folder));
    await core.rest();

    expect(first).toMatchObject({ status: "DONE", looked: 3, made: 3 });
    expect(second).toMatchObject({ status: "DONE", looked: 3, made: 0 });
    expect([...fresh.state]).toEqual([
      ["r1", { price: 1 }],
      ["r2", { price: 2 }],
      ["r3", { price: 3 }],
    ]);
    expect(old.calls).toEqual([]);
    expect(await core.entries()).toEqual(before);
    expect((await core.engine.store.events({ limit: 9 }))[0]?.value).toMatchObject({
      status: "EXPANDED",
      only: { targets: toNew, job: first.id },
    });
    expect(await invariantViolations(core, 3)).toEqual([]);
  });

  it("creates one packet from a repeated line even if another job imported its event before", async () => {
    using folder = home({ "in/all.ndjson": linesOf([line(1), line(1), line(2)]) });
    await using office = await anOffice({ rates: toBoth }, folder);
    const { core, old, fresh } = office;
    const request = await snapshot(core, folder);

    await backfilled(core, request);
    const job = await backfilled(core, { ...request, targets: ["rates.old"] });
    await core.rest();

    expect(job).toMatchObject({ status: "DONE", looked: 3, made: 2 });
    expect([old.calls.length, fresh.calls.length]).toEqual([2, 2]);
  });

  it("reaches the targets of both if two jobs import the snapshot at the same time", async () => {
    using folder = home({ "in/all.ndjson": linesOf([line(1), line(2), line(3)]) });
    await using office = await anOffice({ rates: toBoth }, folder);
    const { core, old, fresh } = office;
    const request = await snapshot(core, folder);

    for (const targets of [toNew, ["rates.old"]]) {
      await startJob(core.engine, { kind: "backfill", request: { ...request, targets }, actor: "jo" });
    }
    // Both look for all three lines before either brings one.
    let looks = 0;
    const bothHaveLooked = Promise.withResolvers<void>();
    const store = new Proxy(core.engine.store, {
      get(target, name) {
        const member = Reflect.get(target, name, target);
        if (typeof member !== "function") return member;
        if (name !== "read") return member.bind(target);
        return async (...given: Parameters<typeof target.read>) => {
          const found = await target.read(...given);
          if (given[0] !== "event" || looks === 6) return found;
          if (++looks === 6) bothHaveLooked.resolve();
          await bothHaveLooked.promise;
          return found;
        };
      },
    });
    await core.jobs({ ...core.engine, store });
    await core.rest();

    const jobs = await core.engine.store.jobs({ limit: 9 });
    expect(jobs.map(({ value }) => [value.status, value.made])).toEqual([
      ["DONE", 3],
      ["DONE", 3],
    ]);
    expect([old.calls.length, fresh.calls.length]).toEqual([3, 3]);
  });

  it("accepts HMS's own event later, without treating it as a duplicate", async () => {
    using folder = home({ "in/all.ndjson": linesOf([line(1, { id: "own" })]) });
    await using office = await anOffice({ rates: toBoth }, folder);
    const { core, old, fresh } = office;
    await backfilled(core, await snapshot(core, folder));
    await core.rest();

    await core.emit({ ...line(1, { id: "own" }) });
    await core.rest();

    expect(old.state.get("r1")).toEqual({ rate: 1 });
    expect(fresh.calls).toHaveLength(1);
    expect((await core.packets()).map(({ progress }) => progress.status).sort()).toEqual(["SENT", "SENT", "UNCHANGED"]);
  });

  it("pins complete sheets, so later HMS events reach all targets", async () => {
    using folder = home({ "in/all.ndjson": linesOf([line(1, { data: { people: somePeople(1) } })]) });
    const roster = "for_each: data.people, key: badge, map: { desk: desk }";
    const sheet = `source_event: rate\ntargets:\n  old: { connector: Old, ${roster} }\n  new: { connector: New, ${roster} }\n`;
    await using office = await anOffice({ rates: sheet }, folder);
    const { core, old, fresh } = office;
    await backfilled(core, await snapshot(core, folder));

    await core.emit({ id: "large", type: "rate", data: { people: somePeople(600) } });
    await core.rest();

    expect([old.state.size, fresh.state.size]).toEqual([600, 600]);
  });

  it("recognizes an event that HMS has published and creates only its missing packets", async () => {
    using folder = home({ "in/all.ndjson": linesOf([line(1, { id: "own" })]) });
    await using office = await anOffice({ rates: toOld }, folder);
    const { core, fresh } = office;
    await core.emit({ ...line(1, { id: "own" }) });
    await core.rest();
    await core.use({ rates: toBoth });

    const job = await backfilled(core, await snapshot(core, folder));
    await core.rest();

    expect(job.made).toBe(1);
    expect(fresh.calls[0]?.event).toBe(eventKey({ source: "hms.snapshot", id: "own" }));
    expect((await core.engine.store.tally()).events).toMatchObject({ EXPANDED: 1, duplicates: 0 });
  });

  it("overwrites nothing newer than the time of the line or of the snapshot", async () => {
    const bare = { ...line(1), time: undefined };
    using folder = home({ "in/all.ndjson": linesOf([bare]) });
    await using office = await anOffice({ rates: toBoth }, folder);
    const { core, fresh } = office;
    await core.emit({ id: "now", type: "rate", subject: "r1", time: "2026-02-20T00:00:00Z", data: { rate: 99 } });
    await core.rest();

    const untimed = await backfilled(core, await snapshot(core, folder));
    const timed = await backfilled(core, await snapshot(core, folder, { asOf: "2026-02-19T00:00:00Z" }));
    await core.rest();

    expect(untimed).toMatchObject({
      made: 0,
      malformed: { lines: 1, first: [expect.stringMatching(/^line 1: time: is missing/)] },
    });
    expect(timed.made).toBe(1);
    expect(fresh.state.get("r1")).toEqual({ price: 99 });
  });

  it("reports lines whose id an event with other content has, recorded or in the file", async () => {
    const other = (id: string) => line(2, { id, data: { rate: -1 } });
    const lines = [line(1), line(2, { id: "2" }), line(2, { id: "2" }), other("2"), other("recorded")];
    using folder = home({ "in/all.ndjson": lines.map((one) => JSON.stringify(one)).join("\n") });
    await using office = await anOffice({ rates: toBoth }, folder);
    const { core } = office;
    await core.emit({ ...line(1), id: "recorded" });
    await core.run();

    const { malformed, made } = await backfilled(core, await snapshot(core, folder));

    expect({ made, malformed }).toMatchObject({
      made: 2,
      malformed: {
        lines: 2,
        first: [
          expect.stringMatching(/^line 4: its source and id/),
          expect.stringMatching(/^line 5: its source and id/),
        ],
      },
    });
  });

  it("reports and counts invalid lines and imports the others", async () => {
    const text = [
      "",
      "not json",
      "[]",
      JSON.stringify(line(1)),
      JSON.stringify({ ...line(2), source: "" }),
      JSON.stringify(line(3, { type: "other" })),
      ...Array.from({ length: 30 }, () => "{}"),
    ].join("\n");
    using folder = home({ "in/all.ndjson": text });
    await using office = await anOffice({ rates: toBoth }, folder);
    const { core, fresh } = office;

    const { malformed, looked, made } = await backfilled(core, await snapshot(core, folder));
    await core.rest();

    expect({ looked, made }).toEqual({ looked: 36, made: 1 });
    expect(malformed?.lines).toBe(33);
    expect(malformed?.first).toHaveLength(20);
    expect(malformed?.first.slice(0, 3)).toEqual([
      "line 2: is not JSON",
      "line 3: is not an object",
      "line 5: source: is empty",
    ]);
    expect([...fresh.state.keys()]).toEqual(["r1"]);
  });

  it("continues after a crash before any write and creates nothing twice", async () => {
    const lines = [
      line(1),
      line(2),
      line(2),
      line(3, { id: "published" }),
      "{",
      line(4, { data: { rate: 4, people: somePeople(60) } }),
    ];
    const roster = `${toOld}  new: { connector: New, for_each: data.people, key: badge, map: { desk: desk } }\n`;
    const sheets = { rates: toBoth, rosters: `when: "true"\n${roster}` };
    let points = 0;
    for (let writes = 0, over = false; !over; writes++, points++) {
      using folder = home({
        "in/all.ndjson": lines.map((one) => (typeof one === "string" ? one : JSON.stringify(one))).join("\n"),
      });
      await using office = await anOffice({ rates: toOld }, folder);
      const { core, fresh } = office;
      await core.emit({ ...line(3, { id: "published" }) });
      await core.rest();
      await core.use(sheets);
      const request = { ...(await snapshot(core, folder)), targets: ["rates.new", "rosters.new"] };
      const { id } = await startJob(core.engine, { kind: "backfill", request, actor: "jo" });

      await withRoom(
        core,
        runJobs(crashAfter(core.engine, writes), () => true),
      );
      over = (await jobOf(core, id)).status === "DONE";
      await core.clock.advance(core.engine.times.leaseMs);
      await core.jobs();
      await core.clock.advance(200_000);
      await core.rest();

      expect(await jobOf(core, id), `after ${writes} writes`).toMatchObject({
        status: "DONE",
        looked: 6,
        malformed: { lines: 1 },
      });
      expect(fresh.state.size).toBe(64);
      expect([...fresh.effects.values()].every((times) => times === 1)).toBe(true);
      expect((await core.engine.store.tally()).events).toMatchObject({ EXPANDED: 4, EXPANDING: 0, duplicates: 0 });
      expect((await core.packets()).filter(({ progress }) => progress.status === "HELD")).toHaveLength(3);
    }
    expect(points).toBeGreaterThan(8);
  }, 120_000);

  it("fails the job with a reason if the file changes while it runs", async () => {
    using folder = home({ "in/all.ndjson": linesOf(Array.from({ length: 300 }, (_, i) => line(i))) });
    await using office = await anOffice({ rates: toBoth }, folder);
    const { core } = office;
    const { id } = await startJob(core.engine, {
      kind: "backfill",
      request: await snapshot(core, folder),
      actor: "jo",
    });
    let pages = 1;
    await runJobs(core.engine, () => pages-- > 0);

    folder.write("in/all.ndjson", linesOf([line(1)]));
    await core.jobs();

    expect(await jobOf(core, id)).toMatchObject({
      status: "FAILED",
      made: 25,
      reason: expect.stringMatching(/^the file has changed/),
    });
  });
});

describe("backfill preview", { tags: "row-31" }, () => {
  it("counts by target the packets that would be created, and writes nothing", async () => {
    const people = somePeople(700);
    const sheets = {
      rates: `${toOld}  new: { connector: New, map: { rate: price, ssn: ssn } }\n`,
      rosters:
        "source_event: rate\ntargets:\n  old: { connector: Old, for_each: data.people, key: badge, map: { desk: desk } }\n",
    };
    await using office = await anOffice({ rates: toOld });
    const { core } = office;
    await emitRates(core, 3, (i) => ({
      rate: i,
      people: i === 0 ? people : [],
      ...(i === 2 && { ssn: "123-45-6789" }),
    }));
    await core.use(sheets);
    const before = { packets: await core.packets(), entries: await core.entries() };

    const trial = await previewBackfill(core.engine, {
      targets: ["rates.new", "rates.old", "rosters.old"],
      from: always,
    });

    expect(trial).toMatchObject({
      looked: 3,
      malformed: { lines: 0 },
      targets: {
        "rates.new": { made: 3, held: 1, there: 0 },
        "rates.old": { made: 0, held: 0, there: 3, samples: [] },
        "rosters.old": { made: 700, held: 0, there: 0 },
      },
    });
    expect(trial.targets["rates.new"]?.samples.map(({ packet }) => packet.fields.price)).toEqual([0, 1, 2]);
    expect({ packets: await core.packets(), entries: await core.entries() }).toEqual(before);
    expect(await core.engine.store.jobs({ limit: 5 })).toEqual([]);
  });

  it("counts the packets and invalid lines of a snapshot", async () => {
    using folder = home({
      "in/all.ndjson": `${linesOf([{ source: "s", type: "rate", time: "2026-02-01T00:00:00Z", subject: "r", data: { rate: 1 } }])}{}\n`,
    });
    await using office = await anOffice({ rates: toBoth }, folder);
    const { core } = office;

    const trial = await previewBackfill(core.engine, await snapshot(core, folder));

    expect(trial).toMatchObject({ looked: 2, malformed: { lines: 1 }, targets: { "rates.new": { made: 1 } } });
    expect(await core.entries()).toEqual([]);
  });
});

describe("targets of a backfill", { tags: "row-31" }, () => {
  it("targets can be chosen by name or by connector", async () => {
    await using office = await anOffice({ rates: toBoth, more: `when: "true"\n${toBoth}` });
    const { engine } = office.core;

    expect(targetsOf(engine, { targets: ["rates.new", "rates.new"] })).toEqual(["rates.new"]);
    expect(targetsOf(engine, { connector: "New@v1", targets: ["rates.old"] })).toEqual([
      "rates.old",
      "rates.new",
      "more.new",
    ]);
    expect(() => targetsOf(engine, {})).toThrow("choose where to send the old data");
    expect(() => targetsOf(engine, { targets: ["rates.nobody"] })).toThrow(
      "no sheet has a target rates.nobody; existing targets: rates.old, rates.new",
    );
    expect(() => targetsOf(engine, { connector: "Other@v1" })).toThrow("no sheet has a target that goes to Other@v1");
  });
});

interface Office extends AsyncDisposable {
  readonly core: Core;
  readonly old: ReturnType<typeof fakeTarget>;
  readonly fresh: ReturnType<typeof fakeTarget>;
}

/** Two targets; what goes to them the sheets say. */
async function anOffice(sheets: NonNullable<CoreOptions["sheets"]>, folder?: Home): Promise<Office> {
  const [old, fresh] = [fakeTarget({ name: "Old" }), fakeTarget({ name: "New" })];
  const places = folder ? [join(folder.path, "in")] : [];
  const core = await aCore({ targets: [old, fresh], sheets, places });
  return { core, old, fresh, [Symbol.asyncDispose]: () => core[Symbol.asyncDispose]() };
}

async function emitRates(core: Core, count: number, data: (i: number) => object = (i) => ({ rate: i })): Promise<void> {
  await core.emit(
    ...Array.from({ length: count }, (_, i) => ({
      id: `${i}`,
      type: "rate",
      subject: `r${i}`,
      data: data(i) as never,
    })),
  );
  await core.rest();
  await core.clock.advance(1_000);
}

async function backfilled(core: Core, request: BackfillRequest) {
  const { id } = await startJob(core.engine, { kind: "backfill", request, actor: "jo" });
  await core.jobs();
  const job = await jobOf(core, id);
  let made = 0;
  for await (const { packet } of packetsOf(core.engine, job)) if (packet.job === id) made++;
  expect(made, "packets that name the job").toBe(job.made);
  return job;
}

async function jobOf(core: Core, id: string) {
  const [stored] = await core.engine.store.read("job", [id]);
  if (!stored) throw new Error(`${id} is not there`);
  return stored.value;
}

async function snapshot(core: Core, folder: Home, more: { readonly asOf?: string } = {}): Promise<BackfillRequest> {
  const file = await core.engine.files.find(addressOf(folder, "in/all.ndjson"));
  return { targets: toNew, from: { kind: "file", file, ...more } };
}

/** Carries what is in the way while a job that may fail is worked on. */
async function withRoom(core: Core, working: Promise<unknown>): Promise<void> {
  let over = false;
  const ended = working
    .catch(() => {})
    .finally(() => {
      over = true;
    });
  while (!over) {
    await core.run();
    await core.clock.advance(100);
  }
  await ended;
}

/** Events are found so long after their acceptance. */
function withLateEvents(engine: Engine, eventsSettleMs: number): Engine {
  const store = new Proxy(engine.store, {
    get(target, name) {
      if (name === "eventsSettleMs") return eventsSettleMs;
      if (name === "events") {
        return (query: Parameters<typeof target.events>[0]) => {
          const settled = (engine.clock.now() - eventsSettleMs) * 1_000;
          return target.events({ ...query, to: Math.min(query.to ?? settled, settled) });
        };
      }
      const member = Reflect.get(target, name, target);
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
  return { ...engine, store };
}

async function reasons(core: Core): Promise<(string | undefined)[]> {
  return (await core.packets())
    .filter(({ progress }) => progress.status === "HELD")
    .map(({ progress }) => progress.reason);
}

function somePeople(count: number) {
  return Array.from({ length: count }, (_, i) => ({ badge: `b${i}`, desk: i }));
}

function linesOf(elements: readonly unknown[]): string {
  return elements.map((element) => `${JSON.stringify(element)}\n`).join("");
}

function addressOf(folder: Home, name: string): string {
  return pathToFileURL(join(folder.path, name)).href;
}
