import { describe, expect, it } from "vitest";
import { testTitles } from "../../lint/rules/test-titles.ts";
import { offenders } from "./offenders.ts";

/** Test titles that can be read without their group. */
const sentences = [
  "keeps the later of two changes with the same timestamp",
  "a failed message holds back only its own lane",
  "never sends a packet twice",
  "does not retry a request the target has refused",
  "no packet is sent twice",
  "packets in a paused lane wait",
  "two packets for one entity share a lane",
  "an event from another source keeps its order",
  "a target that hangs is left when its time is over",
  "a value the target refuses is held",
  "records of deleted employees are skipped",
  "if the lease expires, another process takes the job",
  "at most one seal is written per run",
  "emit exits 1 if a packet is held",
  "replay --dry-run writes nothing",
  "GET /events lists the newest first",
  "a 429 delays the lane by Retry-After",
  "%s is refused with status 400",
  "reads %s as %s",
  "refuses %s",
  "verify names a packet that was deleted with its chain, and exits 1",
  "shows that its tail was cut",
];

/** Test titles that need their group's title or are not sentences. */
const fragments = [
  "of what moves on meanwhile is erased in the next round",
  "and says two things of one record",
  "that is empty blocks all personal data",
  "is refused with status 400",
  "are found by time",
  "with a refused login asks for fresh credentials",
  "in a strict lane, by the watchdog",
  "what was given up is never sent",
  "where it may not be written to",
  "explains itself",
  "that %s",
  "give every queue a dead-letter queue",
  "keep the order of a group",
  "do not wait for each other",
  "told the same twice it has one row",
  "pushed through a sheet made in code is logged nowhere",
  "a row that is not there, with each value in its type",
  "a key that is not of its column's type",
  "null as empty",
  "the next file was numbered",
];

describe("titles of tests", () => {
  it.each(sentences)("accepts: %s", (title) => {
    expect(offenders(testTitles, { "test/a.test.ts": `it(${JSON.stringify(title)}, () => {});` })).toEqual([]);
  });

  it.each(fragments)("finds: %s", (title) => {
    expect(offenders(testTitles, { "test/a.test.ts": `\nit(${JSON.stringify(title)}, () => {});` })).toEqual([
      expect.stringMatching(/^test\/a\.test\.ts:2: /),
    ]);
  });

  it.each([
    'test("of a lane", () => {});',
    'it.skip("of a lane", () => {});',
    'it.each([1])("of a lane", () => {});',
    'it.skipIf(slow)("of a lane", () => {});',
    'it.for(rows)("of a lane", () => {});',
    `it(\`of \${lanes} lanes\`, () => {});`,
  ])("reads the title of %s", (text) => {
    expect(offenders(testTitles, { "test/a.test.ts": text })).toHaveLength(1);
  });

  it.each([
    'it("%s", () => {});',
    "it(promise, () => {});",
    'it.skipIf("of a lane")(promise, () => {});',
    'submit("of a lane");',
  ])("ignores a title from a variable or table, and other calls: %s", (text) => {
    expect(offenders(testTitles, { "test/a.test.ts": text })).toEqual([]);
  });
});

describe("titles of groups", () => {
  it.each([
    "payload retention",
    "polling",
    "seals in a bucket",
    "the store's file",
    "bridge ledger",
    "queues of %s",
    "canonical JSON",
  ])("accepts: %s", (title) => {
    expect(offenders(testTitles, { "test/a.test.ts": `describe("${title}", () => {});` })).toEqual([]);
  });

  it.each([
    "what packets and events carried",
    "a target that is asked",
    "in a strict lane",
    "through the whole bridge",
    "has one effect",
    "never goes back",
    "lose nothing",
  ])("finds: %s", (title) => {
    expect(offenders(testTitles, { "test/a.test.ts": `describe("${title}", () => {});` })).toHaveLength(1);
  });
});
