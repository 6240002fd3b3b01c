/** One guarantee. The tests that prove it have its tag: `test("…", { tags: "row-13" }, …)`. */
export interface Row {
  readonly number: number;
  readonly scenario: string;
  /** Required figure, which only a run with `--full` can reach. */
  readonly required?: string;
  /** Simulated tests use the virtual clock, the engine in memory and targets within the test. */
  readonly simulated: "yes" | "no" | "in part";
  /** Smallest number of tests with the row's tag. With fewer, the row fails. */
  readonly tests: number;
  /** True while no test proves the row. */
  readonly pending?: true;
}

/** Tag of the tests that prove a row. */
export type RowTag = `row-${(typeof listed)[number]["number"]}`;

declare module "vitest" {
  interface TestTags {
    row: RowTag;
  }
}

const listed = [
  {
    number: 1,
    scenario: "steady load on disk, a real HTTP target",
    required: "200 events/s for 5 min, p99 ≤ 1 s",
    simulated: "no",
    tests: 1,
  },
  {
    number: 2,
    scenario: "a burst",
    required: "25,000 packets in ≤ 3 × the bare HTTP loop, never > 60 s",
    simulated: "no",
    tests: 1,
  },
  {
    number: 3,
    scenario: "a backlog drained after an outage, with concurrent live traffic",
    required: "100,000; live p99 ≤ 5 × idle, never > 60 s",
    simulated: "no",
    tests: 1,
  },
  {
    number: 4,
    scenario: "one entity is half of all load",
    required: "the others' p99 ≤ 5 × idle",
    simulated: "no",
    tests: 1,
  },
  {
    number: 5,
    scenario: "30 days with outages",
    required: "≥ 1,000,000 packets",
    simulated: "yes",
    tests: 1,
  },
  {
    number: 6,
    scenario:
      "a crash before and after every call of mapper, chunk expansion, connector, probe, redrive, watchdog and replay",
    required: "100 % of points, enumerated",
    simulated: "yes",
    tests: 52,
  },
  {
    number: 7,
    scenario: "pairs of crashes",
    required: "≥ 10,000",
    simulated: "yes",
    tests: 1,
  },
  {
    number: 8,
    scenario: "duplicate events and messages, also after 5 min",
    simulated: "yes",
    tests: 9,
  },
  {
    number: 9,
    scenario: "reordering: every order of up to six events of one record",
    simulated: "yes",
    tests: 3,
  },
  {
    number: 10,
    scenario: "model-based sequences",
    required: "≥ 10,000",
    simulated: "yes",
    tests: 1,
  },
  {
    number: 11,
    scenario: "a poison packet at each of 10 positions in 3 lanes",
    simulated: "yes",
    tests: 10,
  },
  {
    number: 12,
    scenario: "the visibility timeout or the lease expires while the first attempt is still running",
    simulated: "yes",
    tests: 5,
  },
  {
    number: 13,
    scenario: "a misbehaving target: 5xx, hangs, slow bodies, resets, and truncated, wrong or huge responses",
    simulated: "no",
    tests: 110,
  },
  {
    number: 14,
    scenario: "TLS certificates: expired, for the wrong host, self-signed",
    simulated: "no",
    tests: 10,
  },
  {
    number: 15,
    scenario: "Retry-After in seconds, as a date, absurd or negative",
    simulated: "in part",
    tests: 19,
  },
  {
    number: 16,
    scenario: "a permanent 4xx",
    required: "one try, HELD",
    simulated: "yes",
    tests: 1,
  },
  {
    number: 17,
    scenario: "outages of 1 min, 1 h, 1 day, 20 days",
    simulated: "yes",
    tests: 4,
  },
  {
    number: 18,
    scenario: "a flapping target, with redrives under live traffic",
    required: "≥ 20 flips",
    simulated: "yes",
    tests: 3,
  },
  {
    number: 19,
    scenario: "a failing store and queue",
    required: "1 %, 10 %, 50 % of calls",
    simulated: "yes",
    tests: 3,
  },
  {
    number: 20,
    scenario: "invalid sheets: the last valid set stays in force, and the issue is reported",
    simulated: "no",
    tests: 40,
  },
  {
    number: 21,
    scenario: "a sheet changes while packets wait",
    simulated: "yes",
    tests: 3,
  },
  {
    number: 22,
    scenario:
      "a policy that is unreadable or changes; a compliance engine that is down, slow or returns garbage: nothing is sent unvetted",
    simulated: "in part",
    tests: 130,
  },
  {
    number: 23,
    scenario: "a missing, rotated or slow secret",
    simulated: "yes",
    tests: 5,
  },
  {
    number: 24,
    scenario: "clock jumps of ± 1 h, and events from the future",
    simulated: "yes",
    tests: 2,
  },
  {
    number: 25,
    scenario: "packets of 256 KiB, events of 1 MiB and 10 MiB, and each with one byte more",
    simulated: "yes",
    tests: 6,
  },
  {
    number: 26,
    scenario: "malformed events",
    required: "≥ 100 kinds",
    simulated: "yes",
    tests: 130,
  },
  {
    number: 27,
    scenario: "fuzzing of every entry point",
    required: "≥ 10,000 inputs each",
    simulated: "in part",
    tests: 9,
  },
  {
    number: 28,
    scenario: "hostile sheets",
    required: "≥ 50 kinds",
    simulated: "yes",
    tests: 400,
  },
  {
    number: 29,
    scenario: "inbound messages: replayed, late, altered, signed with a wrong key, sent back to their source",
    simulated: "in part",
    tests: 30,
  },
  {
    number: 30,
    scenario: "replays: repeated, overlapping, under live traffic, with --force, after a manual change",
    simulated: "yes",
    tests: 24,
  },
  {
    number: 31,
    scenario: "a backfill with concurrent live traffic",
    required: "100,000; live p99 ≤ 5 × idle",
    simulated: "no",
    tests: 25,
  },
  {
    number: 32,
    scenario: "two operators edit one held packet",
    simulated: "in part",
    tests: 3,
  },
  {
    number: 33,
    scenario: "every kind of tampering with the ledger",
    simulated: "no",
    tests: 80,
  },
  {
    number: 34,
    scenario: "kill -9 under load",
    required: "≥ 100 kills",
    simulated: "no",
    tests: 1,
  },
  {
    number: 35,
    scenario: "disk full, read-only or damaged database",
    simulated: "no",
    tests: 4,
  },
  {
    number: 36,
    scenario:
      "producers that emit in order and quickly, over types, subjects, sources and rosters of every kind; an oracle that knows only what producers sent and targets received",
    required: "the end is what the last emit said",
    simulated: "yes",
    tests: 10,
  },
  {
    number: 37,
    scenario: "planted bugs, kept as patches",
    required: "≥ 60 bugs, ≥ 90 % found",
    simulated: "yes",
    tests: 0,
    pending: true,
  },
  {
    number: 38,
    scenario:
      "every interleaving of two workers over three events of one record, with at most two crashes or lost answers",
    required: "no state left to explore",
    simulated: "yes",
    tests: 20,
  },
  {
    number: 39,
    scenario: "a store that throttles for 5 min or is away for 2 h, and a disabled encryption key",
    required: "nothing lost, nothing held for it, no person needed",
    simulated: "yes",
    tests: 4,
  },
  {
    number: 40,
    scenario: "rest after any fault",
    required: "within a bound that follows from the settings",
    simulated: "yes",
    tests: 5,
  },
  {
    number: 41,
    scenario: "stores made by earlier releases, and interrupted migrations; items in DynamoDB by `npm run test:aws`",
    simulated: "no",
    tests: 24,
  },
  {
    number: 42,
    scenario: "a backup taken under load, restored beside newer seals and beside none",
    required: "refused with words, or verified; never silently unsealed",
    simulated: "no",
    tests: 9,
  },
] as const satisfies readonly Row[];

export const rows: readonly Row[] = listed;

/** Declares the tags to Vitest, which rejects any other. */
export const rowTags = listed.map(({ number, scenario }) => ({
  name: `row-${number}` as const,
  description: scenario,
}));
