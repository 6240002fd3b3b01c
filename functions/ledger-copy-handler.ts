import * as z from "zod";
import type { Engine } from "../bridge/engine.ts";
import type { Clock } from "../bridge/ports/clock.ts";
import { copyNameOf, type WriteOnce } from "../platform/aws/ledger-bucket.ts";
import { ledgerObjects } from "../platform/aws/names.ts";

/** DynamoDB JSON attributes of the two types that a ledger item uses. */
const text = z.object({ S: z.string() });
const number = z.object({ N: z.string() });

const recordSchema = z.object({
  eventName: z.enum(["INSERT", "MODIFY", "REMOVE"]),
  dynamodb: z.object({
    /** Seconds since the epoch. */
    ApproximateCreationDateTime: z.number(),
    SequenceNumber: z.string().regex(/^\d+$/),
    Keys: z.object({ pk: text, sk: number }),
    NewImage: z.looseObject({ entry: text.optional() }).optional(),
    OldImage: z.looseObject({}).optional(),
  }),
});

const streamEventSchema = z.object({ Records: z.array(recordSchema) });

type Change = z.output<typeof recordSchema>;

/** Fields that identify an entry. */
const entrySchema = z.object({ chain: z.string(), seq: z.number(), hash: z.string() });

export interface LedgerCopyOptions {
  readonly bucket: Pick<WriteOnce, "put">;
  readonly clock: Pick<Clock, "now">;
  readonly log: Engine["log"];
}

/**
 * Creates the stream handler that copies changes of the ledger table to the bucket. The entries appended in one batch
 * become one object. Any other change is forbidden; it is stored as an object of its own and raises an alarm.
 *
 * Processing a batch twice changes nothing. No single record can make the handler fail, so an error means that the
 * bucket is unavailable and the whole batch must be retried.
 */
export function ledgerCopyHandler({ bucket, clock, log }: LedgerCopyOptions) {
  return async (event: unknown): Promise<void> => {
    const changes = changesIn(event);
    const appended = changes.flatMap((change) => {
      const line = entryIn(change);
      return line === undefined ? [] : [line];
    });
    const [first, last] = [changes[0]?.dynamodb, changes.at(-1)?.dynamodb];
    if (first && last && appended.length > 0) {
      const recorded = first.ApproximateCreationDateTime * 1_000;
      const name = copyNameOf({ recorded, first: first.SequenceNumber, last: last.SequenceNumber }, clock.now());
      await bucket.put(name, `${appended.join("\n")}\n`);
      log({ step: "copied", entries: appended.length });
    }
    for (const change of changes) {
      if (entryIn(change) !== undefined) continue;
      const { SequenceNumber, Keys } = change.dynamodb;
      await bucket.put(`${ledgerObjects.tampered}${SequenceNumber}.json`, JSON.stringify(change));
      log({ step: "ledger-tampered", change: change.eventName, chain: Keys.pk.S, entry: Number(Keys.sk.N) });
    }
  };
}

/** @throws {Error} if the event is not a stream event, which indicates a faulty deployment, not a faulty ledger */
function changesIn(event: unknown): readonly Change[] {
  const parsed = streamEventSchema.safeParse(event);
  if (parsed.success) return parsed.data.Records;
  const [issue] = parsed.error.issues;
  throw new Error(`not an event of the ledger's stream: ${issue?.path.join(".")}: ${issue?.message}`);
}

/** Returns the text of an appended entry whose chain and number match its key, or `undefined` for any other change. */
function entryIn({ eventName, dynamodb: { Keys, NewImage } }: Change): string | undefined {
  const entry = NewImage?.entry?.S;
  if (eventName !== "INSERT" || entry === undefined || entry.includes("\n")) return undefined;
  try {
    const { chain, seq } = entrySchema.parse(JSON.parse(entry));
    return chain === Keys.pk.S && seq === Number(Keys.sk.N) ? entry : undefined;
  } catch {
    return undefined;
  }
}
