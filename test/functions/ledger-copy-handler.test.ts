import { describe, expect, it } from "vitest";
import type { LogLine } from "../../bridge/observability/log.ts";
import { ledgerCopyHandler } from "../../functions/ledger-copy-handler.ts";
import { levelOf, measuredIn } from "../../functions/log-metrics.ts";
import { anEntry } from "../contract/appended-contract.ts";
import { memoryBucket } from "../support/bucket.ts";
import { noon } from "../support/builders.ts";
import { ManualClock } from "../support/clock.ts";
import { imageOf, streamRecord } from "./stream-records.ts";

describe("copying the ledger", () => {
  it("puts a batch's entries into one object, each as it was hashed, in their order", async () => {
    const { copy, bucket, lines } = aCopying();
    const first = anEntry("evt-1");
    const entries = [first, anEntry("evt-2"), anEntry("evt-1", first)];

    await copy({ Records: entries.map((entry) => streamRecord(entry)) });

    const [[name, text]] = [...bucket.objects] as [[string, string]];
    expect(name).toMatch(/^entries\/2026-03-01T12-00-00\.000Z-\d+-\d+\.ndjson$/);
    expect(text).toBe(entries.map((entry) => `${JSON.stringify(entry)}\n`).join(""));
    expect(lines.flatMap(measuredIn)).toEqual([{ name: "EntriesCopied", unit: "Count", value: 3 }]);
  });

  it("changes nothing when the same batch comes again", async () => {
    const { copy, bucket, clock } = aCopying();
    const batch = { Records: [streamRecord(anEntry("evt-1")), streamRecord(anEntry("evt-2"))] };
    await copy(batch);
    const before = new Map(bucket.objects);
    await clock.advance(20_000);

    await copy(batch);

    expect(bucket.objects).toEqual(before);
  });

  it("names a late batch by the time it is copied, so that it is not passed over", async () => {
    const { copy, bucket, clock } = aCopying();
    await copy({ Records: [streamRecord(anEntry("evt-1"))] });
    await clock.advance(3_600_000);

    await copy({ Records: [streamRecord(anEntry("evt-late"))] });

    const [, late] = [...bucket.objects.keys()];
    expect(late).toMatch(/^entries\/2026-03-01T12-59-30\.000Z-/);
  });

  it.each(["MODIFY", "REMOVE"] as const)("keeps what a %s did, and rings", async (eventName) => {
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
    expect(measuredIn(line)).toEqual([{ name: "LedgerTampered", unit: "Count", value: 1 }]);
  });

  it("copies what was appended beside it all the same", async () => {
    const { copy, bucket } = aCopying();

    await copy({ Records: [streamRecord(anEntry("evt-1")), streamRecord(anEntry("evt-2"), { eventName: "REMOVE" })] });

    expect([...bucket.objects.keys()].map((name) => name.split("/")[0])).toEqual(["entries", "tampered"]);
  });

  it.each([
    ["no entry", { pk: { S: "evt-1" }, sk: { N: "1" } }],
    ["no JSON", { ...imageOf(anEntry("evt-1")), entry: { S: "{" } }],
    ["another chain's entry", imageOf(anEntry("evt-2"))],
    ["an entry of another number", imageOf(anEntry("evt-1", anEntry("evt-1")))],
    ["two entries in one", { ...imageOf(anEntry("evt-1")), entry: { S: `${JSON.stringify(anEntry("evt-1"))}\n{}` } }],
  ])("takes an insertion of %s for tampering, and goes on", async (_, image) => {
    const { copy, bucket, lines } = aCopying();

    await copy({ Records: [streamRecord(anEntry("evt-1"), { image }), streamRecord(anEntry("evt-9"))] });

    expect([...bucket.objects.keys()].map((name) => name.split("/")[0])).toEqual(["entries", "tampered"]);
    expect(lines.map(({ step }) => step)).toEqual(["copied", "ledger-tampered"]);
  });

  it("fails as a whole where the bucket is away, so that Lambda brings the batch again", async () => {
    const { copy } = aCopying({ put: () => Promise.reject(new Error("SlowDown")) });

    await expect(copy({ Records: [streamRecord(anEntry("evt-1"))] })).rejects.toThrow("SlowDown");
  });

  it("refuses what is no stream's event, and repeats nothing of it", async () => {
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
