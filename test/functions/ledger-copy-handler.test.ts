import { describe, expect, it } from "vitest";
import type { LogLine } from "../../bridge/observability/log.ts";
import { ledgerCopyHandler } from "../../functions/ledger-copy-handler.ts";
import { levelOf, measurementsIn } from "../../functions/log-metrics.ts";
import { anEntry } from "../contract/appended-contract.ts";
import { memoryBucket } from "../support/bucket.ts";
import { noon } from "../support/builders.ts";
import { ManualClock } from "../support/clock.ts";
import { imageOf, streamRecord } from "./stream-records.ts";

describe("ledger copy handler", () => {
  it("writes a batch's entries to one object, in order and as they were hashed", async () => {
    const { copy, bucket, lines } = aCopying();
    const first = anEntry("evt-1");
    const entries = [first, anEntry("evt-2"), anEntry("evt-1", first)];

    await copy({ Records: entries.map((entry) => streamRecord(entry)) });

    const [[name, text]] = [...bucket.objects] as [[string, string]];
    expect(name).toMatch(/^entries\/2026-03-01T12-00-00\.000Z-\d+-\d+\.ndjson$/);
    expect(text).toBe(entries.map((entry) => `${JSON.stringify(entry)}\n`).join(""));
    expect(lines.flatMap(measurementsIn)).toEqual([{ name: "EntriesCopied", unit: "Count", value: 3 }]);
  });

  it("changes nothing when the same batch is repeated", async () => {
    const { copy, bucket, clock } = aCopying();
    const batch = { Records: [streamRecord(anEntry("evt-1")), streamRecord(anEntry("evt-2"))] };
    await copy(batch);
    const before = new Map(bucket.objects);
    await clock.advance(20_000);

    await copy(batch);

    expect(bucket.objects).toEqual(before);
  });

  it("names a late batch by the time of its copy, so that sealing does not skip it", async () => {
    const { copy, bucket, clock } = aCopying();
    await copy({ Records: [streamRecord(anEntry("evt-1"))] });
    await clock.advance(3_600_000);

    await copy({ Records: [streamRecord(anEntry("evt-late"))] });

    const [, late] = [...bucket.objects.keys()];
    expect(late).toMatch(/^entries\/2026-03-01T12-59-30\.000Z-/);
  });

  it.each(["MODIFY", "REMOVE"] as const)("stores the change of a %s and raises an alarm", async (eventName) => {
    const { copy, bucket, lines } = aCopying();
    const entry = anEntry("pkt-1");
    const record = streamRecord(entry, { eventName });

    await copy({ Records: [record] });

    expect([...bucket.objects.keys()]).toEqual([`tampered/${record.dynamodb.SequenceNumber}.json`]);
    expect(JSON.parse([...bucket.objects.values()][0] as string)).toMatchObject({
      eventName,
      dynamodb: { OldImage: imageOf(entry) },
    });
    const [line] = lines as [LogLine];
    expect(line).toEqual({ step: "ledger-tampered", change: eventName, chain: "pkt-1", entry: 1 });
    expect(levelOf(line)).toBe("ERROR");
    expect(measurementsIn(line)).toEqual([{ name: "LedgerTampered", unit: "Count", value: 1 }]);
  });

  it("copies appended entries even if the batch also contains tampering", async () => {
    const { copy, bucket } = aCopying();

    await copy({ Records: [streamRecord(anEntry("evt-1")), streamRecord(anEntry("evt-2"), { eventName: "REMOVE" })] });

    expect([...bucket.objects.keys()].map((name) => name.split("/")[0])).toEqual(["entries", "tampered"]);
  });

  it.each([
    ["an item without an entry", { pk: { S: "evt-1" }, sk: { N: "1" } }],
    ["an entry that is not JSON", { ...imageOf(anEntry("evt-1")), entry: { S: "{" } }],
    ["an entry of another chain", imageOf(anEntry("evt-2"))],
    ["an entry with another number", imageOf(anEntry("evt-1", anEntry("evt-1")))],
    [
      "two entries in one item",
      { ...imageOf(anEntry("evt-1")), entry: { S: `${JSON.stringify(anEntry("evt-1"))}\n{}` } },
    ],
  ])("reports an insertion of %s as tampering and continues", async (_, image) => {
    const { copy, bucket, lines } = aCopying();

    await copy({ Records: [streamRecord(anEntry("evt-1"), { image }), streamRecord(anEntry("evt-9"))] });

    expect([...bucket.objects.keys()].map((name) => name.split("/")[0])).toEqual(["entries", "tampered"]);
    expect(lines.map(({ step }) => step)).toEqual(["copied", "ledger-tampered"]);
  });

  it("fails the whole batch if the bucket is unavailable, so that Lambda retries it", async () => {
    const { copy } = aCopying({ put: () => Promise.reject(new Error("SlowDown")) });

    await expect(copy({ Records: [streamRecord(anEntry("evt-1"))] })).rejects.toThrow("SlowDown");
  });

  it("rejects an event that is not from a stream without repeating its content", async () => {
    const { copy } = aCopying();

    await expect(copy({ Records: [{ body: "123-45-6789" }] })).rejects.toThrow(
      /^not an event of the ledger's stream: Records\.0\.eventName: [^0-9]*$/,
    );
  });
});

function aCopying(change: { put?: () => Promise<never> } = {}) {
  const bucket = memoryBucket();
  const clock = new ManualClock(noon);
  const lines: LogLine[] = [];
  const copy = ledgerCopyHandler({ bucket: { ...bucket, ...change }, clock, log: (line) => lines.push(line) });
  return { bucket, clock, lines, copy };
}
