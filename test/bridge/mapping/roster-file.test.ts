import { rmSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";
import { accept, resumeUnsent } from "../../../bridge/intake/accept.ts";
import { cutLines, elementsIn, type Lines, linesIn } from "../../../bridge/mapping/roster-file.ts";
import { eventKey } from "../../../bridge/model/event.ts";
import type { FilesPort } from "../../../bridge/ports/files.ts";
import { aCore, type Core, fakeTarget, invariantViolations } from "../../support/core.ts";
import { crashAfter } from "../../support/crash-after.ts";
import { type Home, home } from "../../support/home.ts";

const sheet = `
source_event: roster
targets:
  fake: { connector: Fake, for_each: { ndjson: data.rosterUri }, key: badge, map: { desk: desk } }
`;
const key = eventKey({ source: "hms.policy", id: "1" });

describe("a roster file", () => {
  it("expands in chunks of 500 lines and ends as one expanded event", async () => {
    using folder = home({ "in/roster.ndjson": linesOf(somePeople(1_250)) });
    const target = fakeTarget();
    await using core = await aCoreWithFiles(target, folder);

    await emitRoster(core, folder);
    await core.rest();

    expect(target.calls).toHaveLength(1_250);
    expect(target.state.get("b1249")).toEqual({ desk: 1_249 });
    expect(await core.steps(key)).toEqual(["EXPANDING", "EXPANDED"]);
    expect(await eventOf(core)).toMatchObject({ status: "EXPANDED", packets: 1_250 });
    expect((await eventOf(core))?.chunks).toBeUndefined();
    const [first] = await core.engine.store.chain(key);
    expect(first?.facts).toMatchObject({ files: [{ version: expect.any(String), bytes: expect.any(Number) }] });
    expect(await invariantViolations(core, 1)).toEqual([]);
  });

  it("identifies each chunk by its match, first line and byte range", async () => {
    using folder = home({ "in/roster.ndjson": linesOf(somePeople(1_001)) });
    await using core = await aCoreWithFiles(fakeTarget(), folder);
    await emitRoster(core, folder);

    const bytes = linesOf(somePeople(500)).length;
    const all = linesOf(somePeople(1_001)).length;
    await mapOne(core);
    expect((await eventOf(core))?.chunks).toEqual(["0.0.0-"]);
    await mapOne(core);
    const cut = (await eventOf(core))?.chunks;

    expect(cut?.[0]).toBe(`0.0.0-${bytes}`);
    expect(cut?.[1]?.startsWith(`0.500.${bytes}-`)).toBe(true);
    expect(cut?.[2]?.endsWith(`-${all}`)).toBe(true);
    expect(cut).toHaveLength(3);
  });

  it("sends every element exactly once after a crash before any of its writes", async () => {
    let crashPoints = 0;
    for (let survived = 0, finished = false; !finished; survived++, crashPoints++) {
      using folder = home({ "in/roster.ndjson": linesOf(somePeople(510)) });
      const target = fakeTarget();
      await using core = await aCoreWithFiles(target, folder);
      await emitRoster(core, folder);

      await core.map(crashAfter(core.engine, survived)).catch(() => {});
      finished = (await eventOf(core))?.status === "EXPANDED";
      await core.clock.advance(200_000);
      await core.rest();

      expect(target.state.size, `after ${survived} writes`).toBe(510);
      expect([...target.effects.values()].every((times) => times === 1)).toBe(true);
      expect(await eventOf(core)).toMatchObject({ status: "EXPANDED", packets: 510 });
      expect(await invariantViolations(core, 1)).toEqual([]);
    }
    expect(crashPoints).toBeGreaterThan(15);
  }, 120_000);

  it("holds each invalid line with its line number, and sends the others", async () => {
    const text = [
      '{"badge":"a","desk":1}',
      "not json",
      "[1]",
      "",
      `{"badge":"long","desk":"${"x".repeat(262_144)}"}`,
      '{"desk":6}',
      '{"badge":"p","__proto__":{"desk":7}}\r',
      '{"badge":"z","desk":8}',
    ].join("\n");
    using folder = home({ "in/roster.ndjson": text });
    const target = fakeTarget();
    await using core = await aCoreWithFiles(target, folder);

    await emitRoster(core, folder);
    await core.rest();

    expect([...target.state]).toEqual([
      ["a", { desk: 1 }],
      ["z", { desk: 8 }],
    ]);
    expect(await reasons(core)).toEqual([
      "data.rosterUri line 2 is not JSON",
      "data.rosterUri line 3 is not an object",
      "data.rosterUri line 5 is longer than 262144 bytes",
      'data.rosterUri line 6 has no badge; "key:" must name a field every element has',
      'data.rosterUri line 7 is invalid: the value: the key "__proto__" is not allowed',
    ]);
  });

  it("holds the repetition of a key in another chunk, and names its line", async () => {
    const people = somePeople(1_100);
    people[1_050] = { badge: "b3", desk: -1 };
    using folder = home({ "in/roster.ndjson": linesOf(people) });
    const target = fakeTarget();
    await using core = await aCoreWithFiles(target, folder);

    await emitRoster(core, folder);
    await core.rest();

    const held = (await core.packets()).filter(({ progress }) => progress.status === "HELD");
    expect(held).toHaveLength(1);
    expect(held[0]?.packet.entity).toMatch(/^b3 \(again, line (4|1051)\)$/);
    expect(target.calls.filter(({ entity }) => entity === "b3")).toHaveLength(1);
  });

  it.each<[string, (folder: Home) => string, RegExp]>([
    [
      "is outside the allowed folders",
      (folder) => addressOf(folder, "elsewhere/roster"),
      /data\.rosterUri: the file is outside the folders/,
    ],
    [
      "does not exist",
      (folder) => addressOf(folder, "in/none"),
      /data\.rosterUri: the file is not there; fix this, and publish the event again/,
    ],
    [
      "has an http address",
      () => "http://127.0.0.1/roster?token=hunter2",
      /data\.rosterUri: the file cannot be read here; move it to an address such as file:/,
    ],
  ])("becomes one held packet, with a remedy and without its address, if it %s", async (_, address, reason) => {
    using folder = home({ "elsewhere/roster": "{}", "in/other": "" });
    const target = fakeTarget();
    await using core = await aCoreWithFiles(target, folder);

    await core.emit({ id: "1", type: "roster", data: { rosterUri: address(folder) } });
    await core.rest();

    const [held, ...more] = await reasons(core);
    expect(held).toMatch(reason);
    // The address may be named after a person.
    expect(held).not.toMatch(/hunter2|127\.0\.0\.1|elsewhere/);
    expect(more).toEqual([]);
    expect(await eventOf(core)).toMatchObject({ status: "EXPANDED", packets: 1 });
    expect(JSON.stringify([core.lines, await core.entries()])).not.toMatch(/127\.0\.0\.1|hunter2/);
  });

  it("does not affect the event's other targets if its address is invalid", async () => {
    const target = fakeTarget();
    await using core = await aCore({
      targets: [target],
      sheets: { roster: sheet, plain: "source_event: roster\ntargets:\n  fake: { connector: Fake, map: { n: n } }\n" },
    });

    await core.emit({ id: "1", subject: "s", type: "roster", data: { rosterUri: 7, n: 1 } });
    await core.rest();

    expect(await reasons(core)).toEqual(["data.rosterUri is not a file address"]);
    expect(target.state.get("s")).toEqual({ n: 1 });
  });

  it.each<[string, (folder: Home) => void, RegExp]>([
    [
      "changes",
      (folder) => folder.write("in/roster.ndjson", linesOf(somePeople(3))),
      /has changed since it was looked up; fix this/,
    ],
    ["disappears", (folder) => rmSync(join(folder.path, "in/roster.ndjson")), /is not there; fix this/],
  ])("holds the chunks that are not expanded yet if it %s", async (_, change, reason) => {
    using folder = home({ "in/roster.ndjson": linesOf(somePeople(1_100)) });
    const target = fakeTarget();
    await using core = await aCoreWithFiles(target, folder);
    await emitRoster(core, folder);
    for (let messages = 0; messages < 3; messages++) await mapOne(core);

    change(folder);
    await core.rest();

    expect(target.calls).toHaveLength(500);
    const held = await reasons(core);
    expect(held).toHaveLength(2);
    expect(held[0]).toMatch(reason);
    expect(held[0]).toMatch(/^data\.rosterUri line 501 and on: the file /);
    expect(held[1]).toMatch(/line 1001 and on/);
    expect(await eventOf(core)).toMatchObject({ status: "EXPANDED", packets: 502 });
    expect(await invariantViolations(core, 1)).toEqual([]);
  });

  it("becomes one held packet if it changes before it is cut into chunks", async () => {
    using folder = home({ "in/roster.ndjson": linesOf(somePeople(1_100)) });
    await using core = await aCoreWithFiles(fakeTarget(), folder);
    await emitRoster(core, folder);
    await mapOne(core);

    folder.write("in/roster.ndjson", "{}");
    await core.rest();

    expect(await reasons(core)).toEqual([expect.stringMatching(/line 1 and on: .* has changed/)]);
    expect(await eventOf(core)).toMatchObject({ status: "EXPANDED", packets: 1 });
  });

  it("produces no packet if it is empty", async () => {
    using folder = home({ "in/roster.ndjson": "" });
    await using core = await aCoreWithFiles(fakeTarget(), folder);

    await emitRoster(core, folder);
    await core.rest();

    expect(await eventOf(core)).toMatchObject({ status: "EXPANDED", packets: 0 });
  });

  it("waits and is not held while reading it fails temporarily", async () => {
    using folder = home({ "in/roster.ndjson": linesOf(somePeople(600)) });
    const target = fakeTarget();
    await using core = await aCoreWithFiles(target, folder);
    await emitRoster(core, folder);
    const { files } = core.engine;
    const unavailable: FilesPort = {
      find: () => Promise.reject(new Error("throttled")),
      // biome-ignore lint/correctness/useYield: it throws before its first block
      async *read() {
        throw new Error("throttled");
      },
    };

    await core.map({ ...core.engine, files: unavailable });
    await core.clock.advance(2_000);
    await core.map({ ...core.engine, files: { ...unavailable, find: (address) => files.find(address) } });
    expect(await core.packets()).toEqual([]);
    await core.rest();

    expect(target.state.size).toBe(600);
    expect(await reasons(core)).toEqual([]);
  });

  it("resumes on a watchdog run if the messages of its chunks were lost", async () => {
    using folder = home({ "in/roster.ndjson": linesOf(somePeople(600)) });
    const target = fakeTarget();
    await using core = await aCoreWithFiles(target, folder);
    await emitRoster(core, folder);
    await mapOne(core);
    await takeFromInbox(core);

    await core.clock.advance(121_000);
    await resumeUnsent(core.engine);
    await core.rest();

    expect(target.state.size).toBe(600);
  });
});

describe("the reader of roster lines", () => {
  const text = ["{}", "", "ä", "x".repeat(2_000), "last"].join("\n");

  it.each([1, 2, 3, 7, 1_000_000])("returns the same lines if it reads blocks of %i bytes", async (block) => {
    const { files, file } = inMemory(text, block);

    const lines = await collected(linesIn(files, file, { first: 10, from: 0, to: file.bytes }, 100));

    expect(lines.map(({ number, at, bytes }) => [number, at, bytes && Buffer.from(bytes).toString()])).toEqual([
      [10, 0, "{}"],
      [11, 3, ""],
      [12, 4, "ä"],
      [13, 7, undefined],
      [14, 2_008, "last"],
    ]);
  });

  it.each([1, 5, 100_000])("cuts a file into chunks without a gap if it reads blocks of %i bytes", async (block) => {
    const whole = linesOf(somePeople(1_234));
    const { files, file } = inMemory(whole, block);

    const chunks = await cutLines(files, file, { first: 0, from: 0 });

    expect(chunks.map(({ first }) => first)).toEqual([0, 500, 1_000]);
    expect(chunks.map(({ from, to }) => whole.slice(from, to)).join("")).toBe(whole);
    const last = chunks.at(-1) as Required<Lines>;
    const elements = await elementsIn(files, file, last);
    expect(elements[0]).toMatchObject({ number: 1_000, value: { badge: "b1000" }, at: last.from });
    expect(elements).toHaveLength(234);
  });

  it("cuts at most the given number of chunks and returns the rest as one range to cut later", async () => {
    const whole = linesOf(somePeople(1_600));
    const { files, file } = inMemory(whole, 4_096);

    const [one, rest, ...none] = await cutLines(files, file, { first: 0, from: 0 }, 1);
    const next = await cutLines(files, file, rest as Lines, 2);

    expect(none).toEqual([]);
    expect(rest).toEqual({ first: 500, from: one?.to });
    expect(next.map(({ first, to }) => [first, to !== undefined])).toEqual([
      [500, true],
      [1_000, true],
      [1_500, false],
    ]);
  });

  it("cuts chunks with fewer lines if lines are long, so that a chunk fits into memory", async () => {
    const { files, file } = inMemory(`${`${"x".repeat(250_000)}\n`.repeat(40)}`, 65_536);

    const chunks = await cutLines(files, file, { first: 0, from: 0 });

    expect(chunks).toHaveLength(3);
    for (const { from, to } of chunks) expect((to as number) - from).toBeLessThan(4_194_304 + 262_144);
  });

  it("cuts a file of a gigabyte in several calls without loading it into memory", async () => {
    const bytes = 1_000_000_000;
    const block = Buffer.from(`${"x".repeat(199)}\n`.repeat(5_000));
    const files: FilesPort = {
      find: () => Promise.reject(new Error("not called")),
      async *read(_, { from, to }) {
        for (let at = from; at < to; at += block.length) yield block.subarray(0, Math.min(block.length, to - at));
      },
    };
    const file = { address: "", version: "", bytes };
    let peakBytes = 0;
    let calls = 0;
    let lines = 0;
    let rest: Lines | undefined = { first: 0, from: 0 };

    while (rest) {
      const chunks: Lines[] = await cutLines(files, file, rest);
      peakBytes = Math.max(peakBytes, process.memoryUsage().arrayBuffers);
      calls++;
      rest = chunks.at(-1)?.to === undefined ? chunks.pop() : undefined;
      lines += chunks.length * 500;
    }

    expect(lines).toBe(5_000_000);
    expect(calls).toBe(10);
    expect(peakBytes).toBeLessThan(100_000_000);
  });
});

async function aCoreWithFiles(target: ReturnType<typeof fakeTarget>, folder: Home): Promise<Core> {
  return aCore({ targets: [target], sheets: { roster: sheet }, places: [join(folder.path, "in")] });
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

async function emitRoster(core: Core, folder: Home): Promise<void> {
  await core.emit({ id: "1", type: "roster", data: { rosterUri: addressOf(folder, "in/roster.ndjson") } });
}

async function eventOf(core: Core) {
  return (await core.engine.store.read("event", [key]))[0]?.value;
}

/** Returns the reasons of the held packets, in the order of their lines. */
async function reasons(core: Core): Promise<(string | undefined)[]> {
  return (await core.packets())
    .filter(({ progress }) => progress.status === "HELD")
    .sort((a, b) => (a.packet.element ?? 0) - (b.packet.element ?? 0))
    .map(({ progress }) => progress.reason);
}

/** Processes one inbox message. */
async function mapOne(core: Core): Promise<void> {
  await accept(core.engine, await takeFromInbox(core, 1));
}

/** Receives inbox messages and removes them at once, so they are lost unless the caller processes them. */
async function takeFromInbox(core: Core, max = 10) {
  const messages = await core.engine.queue.receive("inbox", { max, visibilityMs: 180_000, waitMs: 0 });
  await core.engine.queue.remove(
    "inbox",
    messages.map(({ receipt }) => receipt),
  );
  return messages;
}

function inMemory(text: string, blockBytes: number) {
  const all = Buffer.from(text);
  const files: FilesPort = {
    find: () => Promise.reject(new Error("not called")),
    async *read(_, { from, to }) {
      for (let at = from; at < to; at += blockBytes) yield all.subarray(at, Math.min(at + blockBytes, to));
    },
  };
  return { files, file: { address: "", version: "", bytes: all.length } };
}

async function collected<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}
