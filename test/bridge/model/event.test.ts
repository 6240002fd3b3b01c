import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkEvent, eventKey, maxEventBytes, parseEvent, quarantineKey } from "../../../bridge/model/event.ts";
import { anEvent } from "../../support/builders.ts";

/** A value no reason may repeat. */
const planted = "Zephyrine-4242";

const good = { id: "c-1", source: "hms.policy", type: "rate.updated", data: { rate: 1 } };

describe("the event door", () => {
  it("takes a CloudEvent, keeps its attributes and drops what it does not know", () => {
    const body = JSON.stringify({
      ...anEvent(),
      specversion: "1.0",
      time: "2026-03-01T12:00:00Z",
      traceparent: "00-1",
    });

    const arrival = parseEvent(body);

    expect(arrival).toEqual({ kind: "event", event: anEvent({ time: "2026-03-01T12:00:00Z" }) });
  });

  it.each([
    ["2026-03-01T12:00:00Z"],
    ["2026-03-01T12:00:00.123456789Z"],
    ["2026-03-01T12:00:00+05:30"],
    ["2026-03-01T12:00:00-23:59"],
    ["0001-01-01T00:00:00Z"],
    ["9999-12-31T23:59:59Z"],
    ["2024-02-29T00:00:00Z"],
  ])("takes the time %s, and it is one", (time) => {
    const arrival = parseEvent(JSON.stringify({ ...good, time }));

    expect(arrival.kind).toBe("event");
    expect(Number.isFinite(Date.parse(time))).toBe(true);
  });

  it.each([
    [7, 7],
    ["7", 7],
    ["000000000000007", 7],
    [0, 0],
    ["999999999999999", 999_999_999_999_999],
  ])("takes the sequence %j", (sequence, expected) => {
    expect(parseEvent(JSON.stringify({ ...good, sequence }))).toMatchObject({ event: { sequence: expected } });
  });

  it("takes an event of the largest size and not one of a byte more", () => {
    const of = (bytes: number) => {
      const empty = JSON.stringify({ ...good, data: { pad: "" } });
      return JSON.stringify({ ...good, data: { pad: "x".repeat(bytes - empty.length) } });
    };

    expect(parseEvent(of(maxEventBytes)).kind).toBe("event");
    expect(parseEvent(of(maxEventBytes + 1))).toMatchObject({
      reason: expect.stringContaining("larger than 1048576 bytes"),
    });
  });

  it("counts bytes, not characters", () => {
    const body = JSON.stringify({ ...good, data: { pad: "é".repeat(maxEventBytes / 2) } });

    expect(body.length).toBeLessThan(maxEventBytes);
    expect(parseEvent(body)).toMatchObject({ kind: "malformed", reason: expect.stringContaining("larger") });
  });

  it("refuses 10 MiB without reading it", () => {
    expect(parseEvent(`"${"x".repeat(10_485_760)}"`)).toMatchObject({ reason: expect.stringContaining("larger") });
  });

  const malformed = malformedBodies();

  it("knows at least 100 kinds of malformed events", () => {
    expect(new Set(malformed.map(([name]) => name)).size).toBe(malformed.length);
    expect(malformed.length).toBeGreaterThanOrEqual(100);
  });

  it.each([
    [{ ...good, id: undefined }, "id: is missing"],
    [{ ...good, id: 5 }, "id: is not text"],
    [{ ...good, data: undefined }, "data: is missing"],
    [{ ...good, data: "text" }, "data: is not an object"],
    [{ ...good, subject: null }, "subject: is not text"],
    [[], "the event: Invalid input: expected object, received array"],
  ])("tells what is missing from what is wrong: %j", (event, reason) => {
    expect(parseEvent(JSON.stringify(event))).toEqual({ kind: "malformed", reason });
  });

  it.each(malformed)("quarantines %s, with a short reason that repeats no value", (_, body) => {
    const arrival = parseEvent(body);

    if (arrival.kind !== "malformed") throw new Error("it was taken");
    expect(arrival.reason).not.toContain("Zephyrine");
    expect(arrival.reason).not.toContain("4242");
    expect(arrival.reason).not.toMatch(/Invalid input$/);
    expect(arrival.reason.length).toBeGreaterThan(8);
    expect(arrival.reason.length).toBeLessThan(200);
    expect(arrival.reason.isWellFormed()).toBe(true);
  });

  it("takes 10,000 random texts without a throw, in time", () => {
    const began = performance.now();

    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: "binary", maxLength: 200 }), fc.json({ depthSize: "large" })), (body) => {
        expect(["event", "malformed"]).toContain(parseEvent(body).kind);
      }),
      { numRuns: 10_000 },
    );

    expect(performance.now() - began).toBeLessThan(20_000);
  });

  it("gives the same event for every event it took, written out again", () => {
    const attribute = fc.string({ minLength: 1, maxLength: 30 }).filter((text) => !/\p{Cc}/u.test(text));
    fc.assert(
      fc.property(
        fc.record({
          id: attribute,
          source: attribute,
          type: attribute,
          data: fc.dictionary(attribute, fc.jsonValue()),
        }),
        (event) => {
          const once = parseEvent(JSON.stringify(event));
          if (once.kind === "event") expect(parseEvent(JSON.stringify(once.event))).toEqual(once);
        },
      ),
    );
  });

  it("never takes what it is handed for more than it is", () => {
    for (const raw of [undefined, () => {}, Symbol("x"), 1n, new Map(), Number.NaN]) {
      expect(checkEvent(raw).kind).toBe("malformed");
    }
  });

  it("ends in time on a body nested a hundred thousand deep", () => {
    const began = performance.now();

    for (const [open, close] of [
      ["[", "]"],
      ['{"a":', "}"],
    ] as const) {
      const body = `{"id":"1","source":"s","type":"t","data":{"deep":${open.repeat(100_000)}1${close.repeat(100_000)}}}`;
      expect(parseEvent(body)).toMatchObject({ kind: "malformed" });
    }

    expect(performance.now() - began).toBeLessThan(5_000);
  });
});

describe("an event's key", () => {
  it("is the same for the same source and id, and another for any other", () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.string(), fc.string(), (source, id, otherSource, otherId) => {
        const same = source === otherSource && id === otherId;
        expect(eventKey({ source, id }) === eventKey({ source: otherSource, id: otherId })).toBe(same);
      }),
    );
    expect(eventKey({ source: "ab", id: "c" })).not.toBe(eventKey({ source: "a", id: "bc" }));
    expect(eventKey({ source: "a", id: "b" })).toMatch(/^evt-[a-z2-7]{16}$/);
  });

  it("is one for the same malformed body, and never that of an event", () => {
    expect(quarantineKey("{")).toBe(quarantineKey("{"));
    expect(quarantineKey("{")).not.toBe(quarantineKey("[["));
  });
});

function malformedBodies(): [string, string][] {
  const text = (value: unknown) => JSON.stringify(value);
  const cases: [string, string][] = [
    ["no text", ""],
    ["white space", "  \n "],
    ["a word", planted],
    ["a cut object", '{"id":"1"'],
    ["a trailing comma", '{"id":"1",}'],
    ["single quotes", "{'id':'1'}"],
    ["a comment", '{"id":"1"} // x'],
    ["two objects", "{}{}"],
    ["a byte order mark", `\ufeff${text(good)}`],
    ["NaN", '{"id":NaN}'],
    ["a raw control character", '{"id":"a\u0001"}'],
    ["a bad escape", '{"id":"\\x41"}'],
    ["XML", "<event/>"],
    ["YAML", `id: ${planted}`],
    ["null bytes", "\u0000\u0000"],
    ["null", "null"],
    ["true", "true"],
    ["a number", "4242"],
    ["a text", text(planted)],
    ["a list", "[]"],
    ["a list of events", text([good])],
    ["an empty object", "{}"],
    ["an envelope around the event", text({ detail: good })],
  ];
  for (const name of ["id", "source", "type", "data"] as const) {
    const { [name]: _, ...rest } = good;
    cases.push([`no ${name}`, text(rest)]);
  }
  const wrong: readonly [string, unknown][] = [
    ["null", null],
    ["a number", 4242],
    ["a boolean", true],
    ["a list", [planted]],
    ["an object", { a: planted }],
    ["empty", ""],
    ["a line break", `${planted}\n`],
    ["a null character", `a\u0000${planted}`],
    ["an escape character", `\u001b[31m${planted}`],
    ["a C1 control", `a\u0085${planted}`],
    ["a lone surrogate", `${planted}\ud800`],
    ["too long", planted.repeat(100)],
  ];
  for (const name of ["id", "source", "type", "subject"]) {
    for (const [kind, value] of wrong) cases.push([`${name}: ${kind}`, text({ ...good, [name]: value })]);
  }
  for (const [kind, value] of [
    ["null", null],
    ["a text", planted],
    ["a number", 4242],
    ["a list", [planted]],
    ["a boolean", false],
  ] as const) {
    cases.push([`data: ${kind}`, text({ ...good, data: value })]);
  }
  for (const time of [
    planted,
    "",
    "2026-03-01",
    "12:00:00Z",
    "2026-03-01T12:00:00",
    "2026-03-01 12:00:00Z",
    "2026-13-01T00:00:00Z",
    "2026-02-30T00:00:00Z",
    "2026-03-01T24:00:00Z",
    "2026-03-01T12:60:00Z",
    "2026-03-01T23:59:60Z",
    "2026-03-01T12:00:00+25:00",
    "2026-03-01T12:00:00+2",
    "+12026-03-01T12:00:00Z",
    "20260301T120000Z",
    1_772_366_400_000,
    null,
    {},
  ]) {
    cases.push([`time: ${text(time)}`, text({ ...good, time })]);
  }
  for (const sequence of [
    -1,
    1.5,
    1e300,
    "-1",
    "1.5",
    "1e3",
    "",
    planted,
    " 7",
    "0x10",
    "1234567890123456",
    null,
    [],
    true,
  ]) {
    cases.push([`sequence: ${text(sequence)}`, text({ ...good, sequence })]);
  }
  for (const specversion of ["0.3", "2.0", 1, null, planted]) {
    cases.push([`specversion: ${text(specversion)}`, text({ ...good, specversion })]);
  }
  const inData = (json: string) => `{"id":"1","source":"s","type":"t","data":${json}}`;
  cases.push(
    ["a __proto__ key", inData('{"__proto__":{"admin":true}}')],
    ["a __proto__ key deep down", inData(`{"a":[{"b":{"__proto__":"${planted}"}}]}`)],
    ["a constructor key", inData('{"constructor":{"prototype":{}}}')],
    ["a prototype key", inData('{"prototype":1}')],
    ["a __proto__ key at the top", '{"__proto__":{},"id":"1","source":"s","type":"t","data":{}}'],
    ["a __proto__ key below a key that is a value", inData(`{"${planted}@x.example":{"__proto__":1}}`)],
    ["a lone surrogate in a value", inData(`{"a":"${planted}\\udfff"}`)],
    ["a lone surrogate in a key", inData(`{"${planted}\\ud800":1}`)],
    ["a lone surrogate in a list", inData('{"a":["ok","\\ud83d"]}')],
    ["a lone surrogate below an endless key", inData(`{"${planted.repeat(20_000)}":"\\ud800"}`)],
    ["a number beyond all bounds", inData('{"a":1e999}')],
    ["a negative number beyond all bounds", inData('{"a":[-1e999]}')],
    ["objects 65 deep", inData(`${'{"a":'.repeat(65)}1${"}".repeat(65)}`)],
    ["lists 65 deep", inData(`{"a":${"[".repeat(65)}${"]".repeat(65)}}`)],
    ["nesting below long names", inData(`${`{"${"a".repeat(60)}":`.repeat(66)}1${"}".repeat(66)}`)],
  );
  return cases;
}
