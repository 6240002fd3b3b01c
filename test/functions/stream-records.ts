import type { LedgerEntry } from "../../bridge/model/ledger-entry.ts";

let sequence = 100_000_000_000_000_000_000n;

export type Image = Readonly<Record<string, { S: string } | { N: string }>>;

export interface RecordOptions {
  readonly eventName?: "INSERT" | "MODIFY" | "REMOVE";
  /** Seconds since the epoch. */
  readonly at?: number;
  /** Content of the item. Default: the appended entry. */
  readonly image?: Image;
}

export function imageOf(entry: LedgerEntry): Image {
  return { pk: { S: entry.chain }, sk: { N: String(entry.seq) }, entry: { S: JSON.stringify(entry) } };
}

/** Builds a record of the ledger table's stream. */
export function streamRecord(entry: LedgerEntry, { eventName = "INSERT", at, image }: RecordOptions = {}) {
  const newImage = image ?? imageOf(entry);
  return {
    eventID: String(sequence),
    eventName,
    eventVersion: "1.1",
    eventSource: "aws:dynamodb",
    awsRegion: "us-gov-west-1",
    dynamodb: {
      ApproximateCreationDateTime: at ?? entry.at / 1_000,
      Keys: { pk: { S: entry.chain }, sk: { N: String(entry.seq) } },
      ...(eventName !== "REMOVE" && { NewImage: newImage }),
      ...(eventName !== "INSERT" && { OldImage: imageOf(entry) }),
      SequenceNumber: String(sequence++),
      SizeBytes: 400,
      StreamViewType: "NEW_AND_OLD_IMAGES",
    },
    eventSourceARN: "arn:aws-us-gov:dynamodb:us-gov-west-1:123456789012:table/ledger/stream/2026-11-21T00:00:00.000",
  };
}
