import { createHmac } from "node:crypto";
import { describe, expect, it } from "vitest";
import * as z from "zod";
import { receiveWebhook } from "../../../bridge/inbound/receive-webhook.ts";
import { runMaintenance } from "../../../bridge/maintenance/run-maintenance.ts";
import { readSheet } from "../../../bridge/mapping/sheet-file.ts";
import type { Connector, Polled } from "../../../bridge/model/connector.ts";
import { delivered } from "../../../bridge/model/outcome.ts";
import { aCore, type Core, type FakeTarget, fakeTarget } from "../../support/core.ts";

const key = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;
const otherKey = `whsec_${Buffer.alloc(32, 8).toString("base64")}`;
const env = { BRIDGE_SECRET_PAYROLL_INBOUND: JSON.stringify({ keys: [key] }) };

const outward = `
source_event: policy.per_diem.updated
key: subject
targets:
  payroll: { connector: Payroll, map: { new_rate: dailyRate } }
  gis: { connector: Gis, map: { new_rate: perDiemUSD } }
`;
const back = (from: string, field: string) => `
direction: inbound
source_event: inbound.${from}
when: data.kind = "rate"
key: data.policy
targets:
  hms: { publish: policy.per_diem.updated, map: { ${field}: new_rate } }
`;
const sheets = { outward, from_payroll: back("Payroll", "dailyRate"), from_gis: back("Gis", "perDiemUSD") };

interface Signing {
  readonly id?: string;
  readonly atMs?: number;
  readonly with?: string;
  readonly connector?: string;
  readonly type?: string;
}

/** A message as its sender would sign and send it. */
function signed(core: Core, message: unknown, options: Signing = {}) {
  const {
    id = "msg-1",
    atMs = core.clock.now(),
    with: by = key,
    connector = "Payroll",
    type = "application/json",
  } = options;
  const body = Buffer.from(typeof message === "string" ? message : JSON.stringify(message));
  const seconds = String(Math.floor(atMs / 1_000));
  const mac = createHmac("sha256", Buffer.from(by.slice(6), "base64"))
    .update(`${id}.${seconds}.`)
    .update(body);
  const headers: Record<string, string> = {
    "content-type": type,
    "webhook-id": id,
    "webhook-timestamp": seconds,
    "webhook-signature": `v1,${mac.digest("base64")}`,
  };
  return { connector, headers, body, header: (name: string) => headers[name] };
}

const rate = (dailyRate: number) => ({ kind: "rate", policy: "POL-1", dailyRate });

async function twoSystems(more: Parameters<typeof aCore>[0] = {}) {
  const payroll = fakeTarget({ name: "Payroll" });
  const gis = fakeTarget({ name: "Gis" });
  const core = await aCore({ targets: [payroll, gis], sheets, env, ...more });
  return { core, payroll, gis };
}

describe("changes from outside systems", () => {
  it("a change becomes an HMS event, goes to the other systems, and is not sent back", { tags: "row-29" }, async () => {
    const { core, payroll, gis } = await twoSystems();
    await using _ = core;

    const answer = await receiveWebhook(core.engine, signed(core, rate(70)));
    await core.run();

    expect(answer).toMatchObject({ status: 202 });
    expect(gis.state.get("POL-1")).toEqual({ perDiemUSD: 70 });
    expect(payroll.calls).toEqual([]);
    const own = (await core.packets()).find(({ packet }) => packet.connector === "Payroll@v1");
    expect(own?.progress).toMatchObject({ status: "UNCHANGED", reason: "the change came from the target itself" });
    const [published] = await core.engine.store.events({ type: "policy.per_diem.updated", limit: 10 });
    expect(published?.value.event).toMatchObject({
      source: "hms.inbound.Payroll",
      subject: "POL-1",
      origin: "Payroll",
      data: { new_rate: 70 },
    });
  });

  it("a change updates the shadow, so the same value from HMS is not sent to that target", async () => {
    const { core, payroll } = await twoSystems();
    await using _ = core;
    await receiveWebhook(core.engine, signed(core, rate(70)));
    await core.run();

    await core.clock.advance(1_000);
    await core.emit({ id: "hms-1", subject: "POL-1", data: { new_rate: 70 } });
    await core.run();
    await core.clock.advance(1_000);
    await core.emit({ id: "hms-2", subject: "POL-1", data: { new_rate: 71 } });
    await core.run();

    expect(payroll.calls.map(({ fields }) => fields)).toEqual([{ dailyRate: 71 }]);
  });

  it("a change does not replace a newer value that was sent to the target in the meantime", async () => {
    const { core, payroll } = await twoSystems();
    await using _ = core;
    const old = signed(core, rate(70));
    await core.clock.advance(60_000);
    await core.emit({ id: "hms-1", subject: "POL-1", data: { new_rate: 71 } });
    await core.run();

    await receiveWebhook(core.engine, old);
    await core.run();

    const statuses = (await core.packets()).map(({ packet, progress }) => [packet.connector, progress.status]);
    expect(statuses.slice(2)).toEqual([
      ["Payroll@v1", "SUPERSEDED"],
      ["Gis@v1", "SUPERSEDED"],
    ]);
    expect(payroll.state.get("POL-1")).toEqual({ dailyRate: 71 });
  });

  it("a change updates the shadow even while its target is down or paused", async () => {
    const { core, payroll } = await twoSystems();
    await using _ = core;
    await core.engine.store.write([
      { kind: "health", id: payroll.id, value: { status: "DOWN", since: 1, strikes: [], paused: false }, etag: 0 },
    ]);

    await receiveWebhook(core.engine, signed(core, rate(70)));
    await core.run();

    expect((await core.packets()).map(({ progress }) => progress.status)).toEqual(["UNCHANGED", "SENT"]);
  });

  it("an echo between two systems ends after one hop", { tags: "row-29" }, async () => {
    const { core, payroll, gis } = await twoSystems({
      env: { ...env, BRIDGE_SECRET_GIS_INBOUND: JSON.stringify({ keys: [key] }) },
    });
    await using _ = core;
    let said = 0;
    const parrot = (target: FakeTarget, connector: string, field: string) => {
      target.behave = (packet) => {
        const message = { kind: "rate", policy: packet.entity, [field]: packet.fields[field] };
        void receiveWebhook(core.engine, signed(core, message, { connector, id: `parrot-${++said}` }));
        target.take(packet);
        return delivered();
      };
    };
    parrot(payroll, "Payroll", "dailyRate");
    parrot(gis, "Gis", "perDiemUSD");

    await receiveWebhook(core.engine, signed(core, rate(70)));
    for (let round = 0; round < 10; round++) {
      await core.run();
      await core.clock.advance(1_000);
    }

    expect(gis.calls).toHaveLength(1);
    expect(payroll.calls).toHaveLength(0);
    expect(said).toBe(1);
  });

  it("records a change that matches no sheet as unmatched", async () => {
    const { core } = await twoSystems();
    await using _ = core;

    await receiveWebhook(core.engine, signed(core, { kind: "holiday" }));
    await core.run();

    expect((await core.engine.store.tally()).events).toMatchObject({ UNMATCHED: 1, EXPANDED: 0 });
  });

  it("quarantines a message that cannot be converted, complete and with the reason", async () => {
    const { core } = await twoSystems({
      sheets: {
        outward,
        rows: `
direction: inbound
source_event: inbound.Payroll
targets:
  hms: { publish: policy.per_diem.updated, for_each: data.rows, key: policy, map: { dailyRate: new_rate } }
`,
      },
    });
    await using _ = core;

    await receiveWebhook(core.engine, signed(core, { rows: [{ policy: "POL-1", dailyRate: 70 }, { dailyRate: 71 }] }));
    await core.run();

    const [event] = await core.engine.store.events({ limit: 10 });
    expect(event?.value).toMatchObject({ status: "QUARANTINED" });
    expect(event?.value.reason).toBe(
      'rows.hms: data.rows[1] has no policy; "key:" must name a field every element has',
    );
    expect(await core.packets()).toEqual([]);
  });

  it("publishes each row of a message as one event exactly once, even after a crash", async () => {
    const { core, gis } = await twoSystems({
      sheets: {
        outward,
        rows: `
direction: inbound
source_event: inbound.Payroll
targets:
  hms: { publish: policy.per_diem.updated, for_each: data.rows, key: policy, map: { dailyRate: new_rate } }
`,
      },
    });
    await using _ = core;
    const rows = Array.from({ length: 30 }, (_, i) => ({ policy: `POL-${i}`, dailyRate: i }));
    await receiveWebhook(core.engine, signed(core, { rows }));
    let broken = true;
    const breaking = {
      ...core.engine,
      publish: async (events: Parameters<typeof core.engine.publish>[0]) => {
        await core.engine.publish(broken ? events.slice(0, 12) : events);
        if (broken) throw new Error("the process has ended");
      },
    };

    await core.map(breaking);
    broken = false;
    await core.rest();

    expect(gis.state.size).toBe(30);
    expect([...gis.effects.values()].every((effects) => effects === 1)).toBe(true);
    const { events } = await core.engine.store.tally();
    expect(events).toMatchObject({ EXPANDED: 31, UNMATCHED: 0, QUARANTINED: 0 });
  });
});

describe("inbound webhook endpoint", { tags: "row-29" }, () => {
  /** Counts inbox messages and recorded events after a refused call: there must be none. */
  async function refused(core: Core) {
    await core.run();
    return (await core.depth("inbox")) + (await core.engine.store.events({ limit: 10 })).length;
  }

  it("accepts the example of the Standard Webhooks specification", async () => {
    const { core } = await twoSystems({
      env: { BRIDGE_SECRET_PAYROLL_INBOUND: '{"keys":["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]}' },
    });
    await using _ = core;
    const headers: Record<string, string> = {
      "content-type": "application/json",
      "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
      "webhook-timestamp": "1614265330",
      "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    };
    const then = { ...core.engine, clock: { ...core.engine.clock, now: () => 1_614_265_330_000 } };

    const answer = await receiveWebhook(then, {
      connector: "Payroll",
      header: (name) => headers[name],
      body: Buffer.from('{"test": 2432232314}'),
    });

    expect(answer.status).toBe(202);
  });

  it.each([
    [-6 * 60_000, 401],
    [-5 * 60_000, 202],
    [5 * 60_000, 202],
    [6 * 60_000, 401],
  ])("answers a message whose timestamp differs by %i ms with %i", async (off, status) => {
    const { core } = await twoSystems();
    await using _ = core;

    expect(await receiveWebhook(core.engine, signed(core, rate(70), { atMs: core.clock.now() + off }))).toMatchObject({
      status,
    });
    expect(await refused(core)).toBe(status === 401 ? 0 : 2);
  });

  it("rejects a message with any single bit flipped", async () => {
    const { core } = await twoSystems();
    await using _ = core;
    const { body, headers } = signed(core, rate(70));
    const flipped = (bytes: Buffer, bit: number) => {
      const copy = Buffer.from(bytes);
      copy[bit >> 3] = (copy[bit >> 3] as number) ^ (1 << (bit & 7));
      return copy;
    };
    let tried = 0;
    for (let bit = 0; bit < body.length * 8; bit++) {
      const answer = await receiveWebhook(core.engine, {
        connector: "Payroll",
        header: (n) => headers[n],
        body: flipped(body, bit),
      });
      expect(answer.status).toBe(401);
      tried++;
    }
    for (const name of ["webhook-id", "webhook-timestamp"]) {
      const value = Buffer.from(headers[name] as string);
      for (let bit = 0; bit < value.length * 8; bit++) {
        const header = (n: string) => (n === name ? flipped(value, bit).toString("latin1") : headers[n]);
        expect((await receiveWebhook(core.engine, { connector: "Payroll", header, body })).status).toBe(401);
        tried++;
      }
    }
    const mac = Buffer.from((headers["webhook-signature"] as string).slice(3), "base64");
    for (let bit = 0; bit < mac.length * 8; bit++) {
      const header = (n: string) =>
        n === "webhook-signature" ? `v1,${flipped(mac, bit).toString("base64")}` : headers[n];
      expect((await receiveWebhook(core.engine, { connector: "Payroll", header, body })).status).toBe(401);
      tried++;
    }
    expect(tried).toBeGreaterThan(700);
    expect(await refused(core)).toBe(0);
  });

  it.each([
    ["another key", { with: otherKey }],
    ["a connector nobody has", { connector: "Nobody" }],
    ["a connector without a key", { connector: "Gis" }],
    ["an id with a line break", { id: "msg\n1" }],
    ["no id", { id: "" }],
  ])("refuses %s without giving a reason", async (_, options) => {
    const { core } = await twoSystems();
    await using _core = core;

    expect(await receiveWebhook(core.engine, signed(core, rate(70), options))).toEqual({
      status: 401,
      message: "the message has no valid signature, or its timestamp is too old or too new",
    });
    expect(await refused(core)).toBe(0);
  });

  it("accepts both keys during a rotation and any of several signatures", async () => {
    const { core } = await twoSystems({
      env: { BRIDGE_SECRET_PAYROLL_INBOUND: JSON.stringify({ keys: [key, otherKey] }) },
    });
    await using _ = core;
    const second = signed(core, rate(71), { id: "msg-2", with: otherKey });
    const wrong = "v1,AAAA v0,xyz";
    second.headers["webhook-signature"] = `${wrong} ${second.headers["webhook-signature"]}`;

    expect((await receiveWebhook(core.engine, signed(core, rate(70)))).status).toBe(202);
    expect((await receiveWebhook(core.engine, second)).status).toBe(202);
  });

  it("accepts a repeated message without any effect", async () => {
    const { core, gis } = await twoSystems();
    await using _ = core;
    const message = signed(core, rate(70));

    const both = await Promise.all([receiveWebhook(core.engine, message), receiveWebhook(core.engine, message)]);
    await core.run();
    const later = await receiveWebhook(core.engine, message);
    await core.run();

    expect(both.map(({ status }) => status)).toEqual([202, 202]);
    expect(later).toMatchObject({ status: 200 });
    expect(gis.calls).toHaveLength(1);
    expect((await core.engine.store.tally()).events).toMatchObject({ EXPANDED: 2, duplicates: 1 });
  });

  it("accepts another message under a used id, and quarantines it once with an alert", async () => {
    const { core, gis } = await twoSystems();
    await using _ = core;
    await receiveWebhook(core.engine, signed(core, rate(70), { id: "used" }));
    await core.run();
    await core.clock.advance(1_000);

    expect(await receiveWebhook(core.engine, signed(core, rate(70), { id: "used" }))).toMatchObject({ status: 200 });
    for (let i = 0; i < 2; i++) {
      expect(await receiveWebhook(core.engine, signed(core, rate(71), { id: "used" }))).toMatchObject({ status: 202 });
      await core.run();
    }

    expect(gis.calls).toHaveLength(1);
    expect((await core.engine.store.tally()).events).toMatchObject({ EXPANDED: 2, QUARANTINED: 1, duplicates: 1 });
    expect(core.lines.filter(({ step }) => step === "event-id-reused")).toHaveLength(1);
  });

  it.each([
    ["not JSON", "{", {}, 400],
    ["no object", "[1]", {}, 400],
    ["no UTF-8", "\ud800", {}, 400],
    ["XML", "<a/>", { type: "text/xml" }, 415],
    ["too large", `{"a":"${"x".repeat(262_144)}"}`, {}, 413],
  ])("answers a signed body that is %s with a reason", async (_, text, options, status) => {
    const { core } = await twoSystems();
    await using _core = core;

    expect(await receiveWebhook(core.engine, signed(core, text, options))).toMatchObject({ status });
    expect(await refused(core)).toBe(0);
  });

  it.each(['{"__proto__":{"admin":true}}', '{"half":"\\ud83d"}', `{"deep":${"[".repeat(99)}${"]".repeat(99)}}`])(
    "quarantines a signed hostile message under the key it reports: %s",
    async (message) => {
      const { core } = await twoSystems();
      await using _ = core;

      const answer = await receiveWebhook(core.engine, signed(core, message));
      await core.run();
      const again = await receiveWebhook(core.engine, signed(core, message));

      const [stored] = await core.engine.store.events({ limit: 10 });
      expect(stored?.value.status).toBe("QUARANTINED");
      expect(answer).toEqual({ status: 202, event: stored?.key });
      expect(again).toEqual({ status: 200, event: stored?.key });
    },
  );
});

describe("target polling", () => {
  it("confirms a page of changes only after all of them are stored", async () => {
    const rows = [1, 2, 3].map((n) => ({
      id: `row-${n}`,
      at: 1_700_000_000_000,
      data: { ...rate(60 + n), policy: `P-${n}` },
    }));
    let watermark = 0;
    let dying = true;
    const payroll = fakeTarget({
      name: "Payroll",
      poll: async (): Promise<Polled> => ({
        messages: rows.slice(watermark),
        async taken() {
          if (dying) throw new Error("the process has ended");
          watermark = rows.length;
        },
      }),
    });
    const gis = fakeTarget({ name: "Gis" });
    await using core = await aCore({ targets: [payroll, gis], sheets });

    await runMaintenance(core.engine);
    dying = false;
    await core.clock.advance(core.engine.times.pollMs);
    await runMaintenance(core.engine);
    await core.clock.advance(core.engine.times.pollMs);
    await runMaintenance(core.engine);
    await core.run();

    expect(watermark).toBe(3);
    expect([...gis.state].map(([entity]) => entity)).toEqual(["P-1", "P-2", "P-3"]);
    expect((await core.engine.store.tally()).events).toMatchObject({ duplicates: 3 });
    expect([...gis.effects.values()]).toEqual([1, 1, 1]);
  });

  it("polls once a minute from one process, and not while the connector is paused", async () => {
    let asked = 0;
    const poll = async (): Promise<Polled> => {
      asked++;
      return { messages: [], taken: async () => {} };
    };
    const target = fakeTarget({ name: "Payroll", poll });
    await using core = await aCore({ targets: [target, fakeTarget({ name: "Gis" })], sheets });

    await Promise.all([runMaintenance(core.engine), runMaintenance(core.engine)]);
    expect(asked).toBe(1);
    await core.clock.advance(30_000);
    await runMaintenance(core.engine);
    expect(asked).toBe(1);
    await core.clock.advance(30_000);
    await runMaintenance(core.engine);
    expect(asked).toBe(2);
  });

  it("polls again at once only while the target has more", async () => {
    const pages = [
      { id: "a", more: true },
      { id: "b", more: true },
      { id: "c", more: false },
    ];
    const asked: string[] = [];
    const poll = async (): Promise<Polled> => {
      const { id, more } = pages[asked.length] ?? { id: "none", more: false };
      return {
        messages: [{ id, at: 1_700_000_000_000, data: rate(70) }],
        more,
        taken: async () => void asked.push(id),
      };
    };
    await using core = await aCore({
      targets: [fakeTarget({ name: "Payroll", poll }), fakeTarget({ name: "Gis" })],
      sheets,
    });

    await runMaintenance(core.engine);

    expect(asked).toEqual(["a", "b", "c"]);
  });

  it("keeps the later of two changes with the same timestamp even if the bus delivers it first", async () => {
    const poll = async (): Promise<Polled> => ({
      messages: [70, 71].map((dailyRate) => ({ id: `row-${dailyRate}`, at: 1_700_000_000_000, data: rate(dailyRate) })),
      taken: async () => {},
    });
    const gis = fakeTarget({ name: "Gis" });
    await using core = await aCore({ targets: [fakeTarget({ name: "Payroll", poll }), gis], sheets });
    const published: Parameters<typeof core.engine.publish>[0][] = [];
    const catching = { ...core.engine, publish: async (events: (typeof published)[0]) => void published.push(events) };

    await runMaintenance(core.engine);
    await core.map(catching);
    for (const events of published.flat().reverse()) await core.engine.publish([events]);
    await core.run();

    expect(gis.state.get("POL-1")).toEqual({ perDiemUSD: 71 });
  });

  it("quarantines an unreadable row with the reason and continues with the rest", async () => {
    const poll = async (): Promise<Polled> => ({
      messages: [
        { id: "1", at: 1_700_000_000_000, data: { text: "x;y" }, unreadable: "line 7 is not JSON" },
        { id: "2", at: 1_700_000_000_000, data: rate(70) },
      ],
      taken: async () => {},
    });
    const gis = fakeTarget({ name: "Gis" });
    await using core = await aCore({ targets: [fakeTarget({ name: "Payroll", poll }), gis], sheets });

    await runMaintenance(core.engine);
    await core.run();

    expect(gis.state.get("POL-1")).toEqual({ perDiemUSD: 70 });
    const events = await core.engine.store.events({ limit: 10 });
    const [refused] = events.filter(({ value }) => value.status === "QUARANTINED");
    expect(refused?.value).toMatchObject({ reason: "line 7 is not JSON", raw: expect.stringContaining("x;y") });
  });

  it("logs why polling failed and loads new credentials if they were refused", async () => {
    const poll = async () => ({ reason: "the server refused the login", auth: true });
    const target = fakeTarget({ name: "Payroll", poll });
    await using core = await aCore({ targets: [target, fakeTarget({ name: "Gis" })], sheets });
    const refreshed: string[] = [];
    const secrets = { ...core.engine.secrets, refresh: async (id: string) => void refreshed.push(id) };

    await runMaintenance({ ...core.engine, secrets });

    const why = "the server refused the login";
    expect(core.lines).toContainEqual({ step: "poll-failed", connector: "Payroll@v1", why });
    expect(refreshed).toEqual([target.id]);
  });

  it("polls only targets configured for it and keeps their polling state apart from their sending state", async () => {
    let asked = 0;
    const connector: Connector<{ on?: boolean | undefined }> = {
      ...fakeTarget({ name: "Payroll" }).connector,
      config: z.strictObject({ on: z.boolean().optional() }),
      polls: ({ on }) => on === true,
      async poll({ memory }) {
        asked++;
        await memory.set(asked);
        return { messages: [], taken: async () => {} };
      },
    };
    const target = { ...fakeTarget({ name: "Payroll" }), connector: connector as Connector };
    await using core = await aCore({ targets: [target, fakeTarget({ name: "Gis" })], sheets });
    const given = (on: unknown) => ({ ...core.engine, configOf: () => ({ on }) });

    await runMaintenance(core.engine);
    await runMaintenance(given(false));
    expect([asked, (await core.health(target))?.polledAt]).toEqual([0, undefined]);
    await runMaintenance(given(true));

    expect(asked).toBe(1);
    const [kept, own] = await core.engine.store.read("memory", [`${target.id}/polled`, target.id]);
    expect([kept?.value.value, own]).toEqual([1, undefined]);
  });

  it("polls a target that did not answer again without delaying other work", async () => {
    const target = fakeTarget({
      name: "Payroll",
      poll: async () => {
        throw new Error("ORA-12541 with the password in it");
      },
    });
    await using core = await aCore({ targets: [target, fakeTarget({ name: "Gis" })], sheets });

    await runMaintenance(core.engine);

    expect(core.lines).toContainEqual({ step: "poll-failed", connector: "Payroll@v1", why: "Error" });
    expect(JSON.stringify(core.lines)).not.toContain("password");
  });
});

describe("an inbound sheet", () => {
  const faults = (text: string) => {
    const reading = readSheet("mappings/back.yaml", text);
    return reading.ok ? [] : reading.issues.map(({ line, message }) => `${line}: ${message}`);
  };

  it.each([
    [
      "direction: inbound\nsource_event: policy.x\ntargets:\n  hms: { publish: a.b, map: { a: b } }\n",
      "2: source_event policy.x is not an inbound type; name a connector, as in inbound.PayrollConnector",
    ],
    [
      "source_event: inbound.Payroll\ntargets:\n  x: { connector: Payroll, map: { a: b } }\n",
      '1: source_event inbound.Payroll is an inbound type; add "direction: inbound"',
    ],
    [
      "direction: inbound\nsource_event: inbound.Payroll\ntargets:\n  hms: { map: { a: b } }\n",
      "4: publish is missing; name the type of the HMS event it becomes",
    ],
    [
      "direction: inbound\nsource_event: inbound.Payroll\ntargets:\n  hms: { publish: a, connector: Payroll, map: { a: b } }\n",
      "4: connector is not allowed in an inbound sheet: HMS is the target",
    ],
    [
      "source_event: a\ntargets:\n  hms: { map: { a: b } }\n",
      "3: connector is missing; name a connector from connectors/",
    ],
    [
      "direction: sideways\nsource_event: a\ntargets:\n  x: { connector: A, map: { a: b } }\n",
      '1: direction is neither "outbound" nor "inbound"',
    ],
  ])("reports the issues of an invalid sheet: %#", (text, fault) => {
    expect(faults(text)).toEqual([fault]);
  });

  it("checks the sheet against the available connectors and runs its examples", async () => {
    const example = `${back("Payroll", "dailyRate")}
examples:
  - name: payroll corrects a rate
    event: { type: inbound.Payroll, data: { kind: rate, policy: P-1, dailyRate: 70 } }
    expect: { hms: { new_rate: 70 } }
`;
    await using core = await aCore({ targets: [fakeTarget({ name: "Payroll" })], sheets: { example } });
    expect(core.engine.sheets().sheets).toHaveLength(1);

    const wrong = example.replaceAll("inbound.Payroll", "inbound.Nobody");
    await expect(core.use({ wrong })).rejects.toThrow("no connector is called Nobody; installed: Payroll");
    const failing = example.replace("new_rate: 70", "new_rate: 71");
    await expect(core.use({ failing })).rejects.toThrow("hms: new_rate not as expected");
  });
});
