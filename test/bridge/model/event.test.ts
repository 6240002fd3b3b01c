import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkEvent, eventKey, maxEventBytes, parseEvent, quarantineKey } from "../../../bridge/model/event.ts";
import { anEvent } from "../../support/builders.ts";
import { cpuMs } from "../../support/cpu-time.ts";

/** A value that no reason may contain. */
const planted = "Zephyrine-4242";

const good = { id: "c-1", source: "hms.policy", type: "rate.updated", data: { rate: 1 } };

describe("the event parser", () => {
  it("accepts a CloudEvent and drops unknown extension attributes", () => {
    const body = JSON.stringify({
      ...anEvent(),
      specversion: "1.0",
      time: "2026-03-01T12:00:00Z",
      traceparent: "00-1",
    });

    const parsed = parseEvent(body);

    expect(parsed).toEqual({ kind: "event", event: anEvent({ time: "2026-03-01T12:00:00Z" }) });
  });

  it.each([
    ["2026-03-01T12:00:00Z"],
    ["2026-03-01T12:00:00.123456789Z"],
    ["2026-03-01T12:00:00+05:30"],
    ["2026-03-01T12:00:00-23:59"],
    ["0001-01-01T00:00:00Z"],
    ["9999-12-31T23:59:59Z"],
    ["2024-02-29T00:00:00Z"],
  ])("accepts the time %s, which Date.parse can read", (time) => {
    const parsed = parseEvent(JSON.stringify({ ...good, time }));

    expect(parsed.kind).toBe("event");
    expect(Number.isFinite(Date.parse(time))).toBe(true);
  });

  it.each([
    [7, 7],
    ["7", 7],
    ["000000000000007", 7],
    [0, 0],
    ["999999999999999", 999_999_999_999_999],
  ])("accepts the sequence %j", (sequence, expected) => {
    expect(parseEvent(JSON.stringify({ ...good, sequence }))).toMatchObject({ event: { sequence: expected } });
  });

  it("accepts an event of the largest size but not one of a byte more", { tags: "row-25" }, () => {
    const bodyOf = (bytes: number) => {
      const empty = JSON.stringify({ ...good, data: { pad: "" } });
      return JSON.stringify({ ...good, data: { pad: "x".repeat(bytes - empty.length) } });
    };

    expect(parseEvent(bodyOf(maxEventBytes)).kind).toBe("event");
    expect(parseEvent(bodyOf(maxEventBytes + 1))).toMatchObject({
      reason: expect.stringContaining("larger than 1048576 bytes"),
    });
  });

  it("counts bytes, not characters", { tags: "row-25" }, () => {
    const body = JSON.stringify({ ...good, data: { pad: "é".repeat(maxEventBytes / 2) } });

    expect(body.length).toBeLessThan(maxEventBytes);
    expect(parseEvent(body)).toMatchObject({ kind: "malformed", reason: expect.stringContaining("larger") });
  });

  it("refuses 10 MiB without parsing it", { tags: "row-25" }, () => {
    expect(parseEvent(`"${"x".repeat(10_485_760)}"`)).toMatchObject({ reason: expect.stringContaining("larger") });
  });

  const malformed = malformedBodies();

  it("covers at least 100 kinds of malformed events", { tags: "row-26" }, () => {
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
  ])("distinguishes a missing attribute from an invalid one: %j", (event, reason) => {
    expect(parseEvent(JSON.stringify(event))).toEqual({ kind: "malformed", reason });
  });

  it.each(malformed)("quarantines %s with a short reason that contains no value", { tags: "row-26" }, (_, body) => {
    const parsed = parseEvent(body);

    if (parsed.kind !== "malformed") throw new Error("the event was accepted");
    expect(parsed.reason).not.toContain("Zephyrine");
    expect(parsed.reason).not.toContain("4242");
    expect(parsed.reason).not.toMatch(/Invalid input$/);
    expect(parsed.reason.length).toBeGreaterThan(8);
    expect(parsed.reason.length).toBeLessThan(200);
    expect(parsed.reason.isWellFormed()).toBe(true);
  });

  it("parses 10,000 random texts in time without throwing", { tags: "row-27" }, () => {
    const began = cpuMs();

    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: "binary", maxLength: 200 }), fc.json({ depthSize: "large" })), (body) => {
        expect(["event", "malformed"]).toContain(parseEvent(body).kind);
      }),
      { numRuns: 10_000 },
    );

    expect(cpuMs() - began).toBeLessThan(20_000);
  });

  it("returns an equal event if it parses an accepted event again", () => {
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

  it("refuses values that are not JSON", () => {
    for (const raw of [undefined, () => {}, Symbol("x"), 1n, new Map(), Number.NaN]) {
      expect(checkEvent(raw).kind).toBe("malformed");
    }
  });

  it("refuses a body nested 100,000 deep in time", () => {
    const began = cpuMs();

    for (const [open, close] of [
      ["[", "]"],
      ['{"a":', "}"],
    ] as const) {
      const body = `{"id":"1","source":"s","type":"t","data":{"deep":${open.repeat(100_000)}1${close.repeat(100_000)}}}`;
      expect(parseEvent(body)).toMatchObject({ kind: "malformed" });
    }

    expect(cpuMs() - began).toBeLessThan(5_000);
  });
});

describe("an event's key", () => {
  it("depends on source and id, and differs for any other pair", () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.string(), fc.string(), (source, id, otherSource, otherId) => {
        const same = source === otherSource && id === otherId;
        expect(eventKey({ source, id }) === eventKey({ source: otherSource, id: otherId })).toBe(same);
      }),
    );
    expect(eventKey({ source: "ab", id: "c" })).not.toBe(eventKey({ source: "a", id: "bc" }));
    expect(eventKey({ source: "a", id: "b" })).toMatch(/^evt-[a-z2-7]{16}$/);
  });

  it("depends on the body if the event is malformed", () => {
    expect(quarantineKey("{")).toBe(quarantineKey("{"));
    expect(quarantineKey("{")).not.toBe(quarantineKey("[["));
  });
});

/** Malformed bodies by what is wrong with them. */
type MalformedBodies = readonly (readonly [name: string, body: string])[];

function malformedBodies(): MalformedBodies {
  return [
    ...unparsableTexts(),
    ...wrongTopLevelValues(),
    ...missingAttributes(),
    ...wrongTextAttributes(),
    ...wrongData(),
    ...wrongTimes(),
    ...wrongSequences(),
    ...wrongSpecversions(),
    ...unsafeJson(),
  ];
}

/** Returns the body of a valid event with other attributes. */
function bodyWith(attributes: object): string {
  return JSON.stringify({ ...good, ...attributes });
}

function unparsableTexts(): MalformedBodies {
  return [
    ["an empty body", ""],
    ["white space", "  \n "],
    ["a word", planted],
    ["a truncated object", '{"id":"1"'],
    ["a trailing comma", '{"id":"1",}'],
    ["single quotes", "{'id':'1'}"],
    ["a comment", '{"id":"1"} // x'],
    ["two objects", "{}{}"],
    ["a byte order mark", `\ufeff${JSON.stringify(good)}`],
    ["NaN", '{"id":NaN}'],
    ["a raw control character", '{"id":"a\u0001"}'],
    ["an invalid escape", '{"id":"\\x41"}'],
    ["XML", "<event/>"],
    ["YAML", `id: ${planted}`],
    ["NUL characters", "\u0000\u0000"],
  ];
}

function wrongTopLevelValues(): MalformedBodies {
  return [
    ["null", "null"],
    ["true", "true"],
    ["a number", "4242"],
    ["a string", JSON.stringify(planted)],
    ["a list", "[]"],
    ["a list of events", JSON.stringify([good])],
    ["an empty object", "{}"],
    ["an envelope around the event", JSON.stringify({ detail: good })],
  ];
}

function missingAttributes(): MalformedBodies {
  return (["id", "source", "type", "data"] as const).map((name) => [`no ${name}`, bodyWith({ [name]: undefined })]);
}

function wrongTextAttributes(): MalformedBodies {
  const values: readonly [string, unknown][] = [
    ["null", null],
    ["a number", 4242],
    ["a boolean", true],
    ["a list", [planted]],
    ["an object", { a: planted }],
    ["empty", ""],
    ["a line break", `${planted}\n`],
    ["a NUL character", `a\u0000${planted}`],
    ["an escape character", `\u001b[31m${planted}`],
    ["a C1 control", `a\u0085${planted}`],
    ["a lone surrogate", `${planted}\ud800`],
    ["too long", planted.repeat(100)],
  ];
  return ["id", "source", "type", "subject"].flatMap((name) =>
    values.map(([kind, value]) => [`${name}: ${kind}`, bodyWith({ [name]: value })] as const),
  );
}

function wrongData(): MalformedBodies {
  const values: readonly [string, unknown][] = [
    ["null", null],
    ["a string", planted],
    ["a number", 4242],
    ["a list", [planted]],
    ["a boolean", false],
  ];
  return values.map(([kind, data]) => [`data: ${kind}`, bodyWith({ data })]);
}

function wrongTimes(): MalformedBodies {
  const times = [
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
  ];
  return times.map((time) => [`time: ${JSON.stringify(time)}`, bodyWith({ time })]);
}

function wrongSequences(): MalformedBodies {
  const numbers = [-1, 1.5, 1e300, null, [], true];
  const texts = ["-1", "1.5", "1e3", "", planted, " 7", "0x10", "1234567890123456"];
  return [...numbers, ...texts].map((sequence) => [`sequence: ${JSON.stringify(sequence)}`, bodyWith({ sequence })]);
}

function wrongSpecversions(): MalformedBodies {
  return ["0.3", "2.0", 1, null, planted].map((specversion) => [
    `specversion: ${JSON.stringify(specversion)}`,
    bodyWith({ specversion }),
  ]);
}

function unsafeJson(): MalformedBodies {
  const bodyWithData = (json: string) => `{"id":"1","source":"s","type":"t","data":${json}}`;
  return [
    ["a __proto__ key", bodyWithData('{"__proto__":{"admin":true}}')],
    ["a nested __proto__ key", bodyWithData(`{"a":[{"b":{"__proto__":"${planted}"}}]}`)],
    ["a constructor key", bodyWithData('{"constructor":{"prototype":{}}}')],
    ["a prototype key", bodyWithData('{"prototype":1}')],
    ["a __proto__ key at the top", '{"__proto__":{},"id":"1","source":"s","type":"t","data":{}}'],
    ["a __proto__ key below a key that is a value", bodyWithData(`{"${planted}@x.example":{"__proto__":1}}`)],
    ["a lone surrogate in a value", bodyWithData(`{"a":"${planted}\\udfff"}`)],
    ["a lone surrogate in a key", bodyWithData(`{"${planted}\\ud800":1}`)],
    ["a lone surrogate in a list", bodyWithData('{"a":["ok","\\ud83d"]}')],
    ["a lone surrogate below a very long key", bodyWithData(`{"${planted.repeat(20_000)}":"\\ud800"}`)],
    ["a number beyond the range of doubles", bodyWithData('{"a":1e999}')],
    ["a negative number beyond the range of doubles", bodyWithData('{"a":[-1e999]}')],
    ["objects nested 65 deep", bodyWithData(`${'{"a":'.repeat(65)}1${"}".repeat(65)}`)],
    ["lists nested 65 deep", bodyWithData(`{"a":${"[".repeat(65)}${"]".repeat(65)}}`)],
    ["nesting below long names", bodyWithData(`${`{"${"a".repeat(60)}":`.repeat(66)}1${"}".repeat(66)}`)],
  ];
}
