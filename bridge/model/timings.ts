import * as z from "zod";

const ms = z.int().positive();

/** Durations of all waits and intervals. Every one is a setting; tests and the demo use shorter ones. */
export const timesSchema = z.strictObject({
  /** Waits after the first, second … failure of a lane's head. After the last one it moves to the outbox. */
  backoffMs: z.array(ms).min(1).prefault([1_000, 2_000, 4_000, 8_000, 15_000, 30_000]),
  /** Token and send together. */
  sendMs: ms.prefault(5_000),
  /** Longer than a connector's function may run: 30 s. */
  leaseMs: ms.prefault(35_000),
  /** 6 × the function's timeout. Source: AWS Lambda, "Using Lambda with Amazon SQS". */
  visibilityMs: ms.prefault(180_000),
  probeMs: ms.prefault(60_000),
  /** Interval at which a target without webhooks is polled. */
  pollMs: ms.prefault(60_000),
  /** The first gap between two redrives of an outbox whose target is up; each next is twice as long, up to the last. */
  redriveMs: ms.prefault(600_000),
  redriveMaxMs: ms.prefault(7_200_000),
  /** A message the table says should be on a queue and was never confirmed is put there after this. */
  putBackMs: ms.prefault(120_000),
  /** A packet that has failed this long while its target was up is held. */
  giveUpMs: ms.prefault(86_400_000),
  /** Interval of probe and watchdog. */
  tickMs: ms.prefault(1_000),
  /** Interval at which new ledger entries are sealed. */
  sealMs: ms.prefault(300_000),
  /** Retention of the payloads of closed packets and finished events. */
  retentionMs: ms.prefault(90 * 86_400_000),
  /** A target's `Retry-After` is taken up to this. */
  retryAfterMaxMs: ms.prefault(300_000),
});

export type Times = z.output<typeof timesSchema>;

export function readTimes(given: unknown = {}): Times {
  return timesSchema.parse(given);
}
