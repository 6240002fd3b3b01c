import * as z from "zod";

const ms = z.int().positive();

/** Schema of all delays, intervals and time limits. Tests and the demo use shorter ones. */
export const timesSchema = z.strictObject({
  /** Delays after the first, second … failure of a packet. If it fails after the last delay, it moves to the outbox. */
  backoffMs: z.array(ms).min(1).prefault([1_000, 2_000, 4_000, 8_000, 15_000, 30_000]),
  /** Time limit of one attempt, including fetching a token. */
  sendMs: ms.prefault(5_000),
  /** Lifetime of a lease. Must exceed the time limit of a connector's function, 30 s. */
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
  redriveMaxMs: ms.prefault(1_800_000),
  /**
   * Age after which an unfinished event is resumed, and a waiting packet is requeued if its connector's queues are
   * empty. A packet that was never confirmed as enqueued is sent at once.
   */
  putBackMs: ms.prefault(120_000),
  /** Time for which a packet may keep failing while its target is up before it is held. */
  giveUpMs: ms.prefault(86_400_000),
  /** Interval of the maintenance loop: probe, redrive and watchdog. */
  tickMs: ms.prefault(1_000),
  /**
   * Time for which a packet of a strict lane waits for earlier events, where the inbox queue keeps no order. Later ones
   * are late. Used on AWS only.
   */
  strictSettleMs: ms.prefault(2_000),
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
