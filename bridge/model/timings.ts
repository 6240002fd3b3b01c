import * as z from "zod";

const ms = z.int().positive();

/** Schema of all waits and intervals. Each is a setting; tests and the demo use shorter ones. */
export const timesSchema = z.strictObject({
  /** Waits after the first, second … failure of a lane's head. After the last one it moves to the outbox. */
  backoffMs: z.array(ms).min(1).prefault([1_000, 2_000, 4_000, 8_000, 15_000, 30_000]),
  /** Time limit of one attempt, including fetching a token. */
  sendMs: ms.prefault(5_000),
  /** Lifetime of a lease: longer than a connector's function may run, which is 30 s. */
  leaseMs: ms.prefault(35_000),
  /**
   * Time for which a received message is invisible: 6 × the function's timeout. Source: AWS Lambda, "Using Lambda with
   * Amazon SQS".
   */
  visibilityMs: ms.prefault(180_000),
  /** Interval at which a target is probed while it is down, has recent failures or has packets in its outbox. */
  probeMs: ms.prefault(60_000),
  /** Interval at which a target without webhooks is polled. */
  pollMs: ms.prefault(60_000),
  /** Gap between two redrives of an outbox whose target is up. It doubles each time, up to `redriveMaxMs`. */
  redriveMs: ms.prefault(600_000),
  redriveMaxMs: ms.prefault(7_200_000),
  /** Age at which a message that the table expects on a queue, and that was never confirmed, is put there again. */
  putBackMs: ms.prefault(120_000),
  /** Time for which a packet may fail while its target is up. Then it is held. */
  giveUpMs: ms.prefault(86_400_000),
  /** Interval of the maintenance loop: probe, redrive and watchdog. */
  tickMs: ms.prefault(1_000),
  /** Interval at which new ledger entries are sealed. */
  sealMs: ms.prefault(300_000),
  /** Retention of the payloads of closed packets and finished events. */
  retentionMs: ms.prefault(90 * 86_400_000),
  /** Longest `Retry-After` of a target that is honored. A longer one is clamped. */
  retryAfterMaxMs: ms.prefault(300_000),
});

export type Times = z.output<typeof timesSchema>;

export function readTimes(given: unknown = {}): Times {
  return timesSchema.parse(given);
}
