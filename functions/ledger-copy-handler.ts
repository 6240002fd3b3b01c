import * as z from "zod";
import type { Engine } from "../bridge/engine.ts";
import type { Clock } from "../bridge/ports/clock.ts";
import { copyNameOf, type WriteOnce } from "../platform/aws/ledger-bucket.ts";
import { ledgerPlaces } from "../platform/aws/names.ts";

/** An attribute as DynamoDB's own JSON writes it, of the two kinds a ledger item has. */
const text = z.object({ S: z.string() });
const number = z.object({ N: z.string() });

const recordSchema = z.object({
  eventName: z.enum(["INSERT", "MODIFY", "REMOVE"]),
  dynamodb: z.object({
    /** s since the epoch */
    ApproximateCreationDateTime: z.number(),
    SequenceNumber: z.string().regex(/^\d+$/),
    Keys: z.object({ pk: text, sk: number }),
    NewImage: z.looseObject({ entry: text.optional() }).optional(),
    OldImage: z.looseObject({}).optional(),
  }),
});

const streamEventSchema = z.object({ Records: z.array(recordSchema) });

type Change = z.output<typeof recordSchema>;

/** What an entry's text says of itself. */
const entrySchema = z.object({ chain: z.string(), seq: z.number(), hash: z.string() });

export interface Copying {
  readonly bucket: Pick<WriteOnce, "put">;
  readonly clock: Pick<Clock, "now">;
  readonly log: Engine["log"];
}

/**
 * What happened to the ledger's table into the bucket: entries that were appended as one object a batch, and whatever
 * else was done to it, which nobody may, each by itself and with an alarm.
 *
 * A batch that comes again changes nothing. Nothing in a batch can be at fault by itself: where this throws, the bucket
 * is away, and the whole batch waits.
 */
export function ledgerCopyHandler({ bucket, clock, log }: Copying) {
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
      await bucket.put(`${ledgerPlaces.tampered}${SequenceNumber}.json`, JSON.stringify(change));
      log({ step: "ledger-tampered", change: change.eventName, chain: Keys.pk.S, entry: Number(Keys.sk.N) });
    }
  };
}

/** @throws where it is none: a fault of the deployment, not of the ledger */
function changesIn(event: unknown): readonly Change[] {
  const parsed = streamEventSchema.safeParse(event);
  if (parsed.success) return parsed.data.Records;
  const [issue] = parsed.error.issues;
  throw new Error(`not an event of the ledger's stream: ${issue?.path.join(".")}: ${issue?.message}`);
}

/** The text of an entry that was appended where it says it stands. Anything else is none. */
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
