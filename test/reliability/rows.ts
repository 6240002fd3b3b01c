/** Tests that prove a row: those of one file whose full names match, or all of them. */
interface Proof {
  readonly file: string;
  readonly named?: RegExp;
}

/** One guarantee and the tests that prove it. */
export interface Row {
  readonly number: number;
  readonly scenario: string;
  /** Required figure, which only a run with `--full` can reach. */
  readonly required?: string;
  /** Simulated tests use the virtual clock, the engine in memory and targets within the test. */
  readonly simulated: "yes" | "no" | "in part";
  readonly proofs: readonly Proof[];
}

const accept = "test/bridge/intake/accept.test.ts";
const deliver = "test/bridge/delivery/deliver.test.ts";
const maintenance = "test/bridge/maintenance/run-maintenance.test.ts";
const event = "test/bridge/model/event.test.ts";
const http = "test/connectors/protocols/http/client.test.ts";
const load = "test/reliability/load.test.ts";
const order = "test/reliability/order.test.ts";
const points = "test/sim/crash-points.test.ts";
const sim = "test/sim/sim.test.ts";
const folder = "test/platform/local/sheet-watcher.test.ts";
const sheet = "test/bridge/mapping/sheet-file.test.ts";
const fuzz = "test/reliability/fuzz.test.ts";
const histories = { file: sim, named: /histories keep/ };

export const rows: readonly Row[] = [
  {
    number: 1,
    scenario: "steady load on disk, a real HTTP target",
    required: "200 events/s for 5 min, p99 ≤ 1 s",
    simulated: "no",
    proofs: [{ file: load, named: /^200 events/ }],
  },
  {
    number: 2,
    scenario: "a burst",
    required: "25,000 packets in ≤ 10 s, never > 60 s",
    simulated: "no",
    proofs: [{ file: load, named: /burst/ }],
  },
  {
    number: 3,
    scenario: "a backlog drained after an outage, with concurrent live traffic",
    required: "100,000; live p99 ≤ 5 × idle, never > 60 s",
    simulated: "no",
    proofs: [{ file: load, named: /backlog/ }],
  },
  {
    number: 4,
    scenario: "one entity is half of all load",
    required: "the others' p99 ≤ 5 × idle",
    simulated: "no",
    proofs: [{ file: load, named: /half of all load/ }],
  },
  {
    number: 5,
    scenario: "30 days with outages",
    required: "≥ 1,000,000 packets",
    simulated: "yes",
    proofs: [{ file: order, named: /virtual days/ }],
  },
  {
    number: 6,
    scenario:
      "a crash before and after every call of mapper, chunk expansion, connector, probe, redrive, watchdog and replay",
    required: "100 % of points, enumerated",
    simulated: "yes",
    proofs: [{ file: points, named: /any of its calls loses nothing in/ }],
  },
  {
    number: 7,
    scenario: "pairs of crashes",
    required: "≥ 10,000",
    simulated: "yes",
    proofs: [{ file: points, named: /pairs/ }],
  },
  {
    number: 8,
    scenario: "duplicate events and messages, also after 5 min",
    simulated: "yes",
    proofs: [
      { file: order, named: /received up to five times/ },
      { file: accept, named: /ten times at once|duplicate/ },
      histories,
    ],
  },
  {
    number: 9,
    scenario: "reordering: every order of up to six events of one record",
    simulated: "yes",
    proofs: [
      { file: order, named: /every order/ },
      { file: "test/bridge/delivery/shadow.test.ts", named: /permutations/ },
    ],
  },
  {
    number: 10,
    scenario: "model-based sequences",
    required: "≥ 10,000",
    simulated: "yes",
    proofs: [{ file: sim, named: /sequences of actions/ }],
  },
  {
    number: 11,
    scenario: "a poison packet at each of 10 positions in 3 lanes",
    simulated: "yes",
    proofs: [{ file: deliver, named: /poison packet/ }],
  },
  {
    number: 12,
    scenario: "the visibility timeout or the lease expires while the first attempt is still running",
    simulated: "yes",
    proofs: [
      { file: order, named: /first attempt that still runs/ },
      { file: deliver, named: /lease|cut off if|crash between claim/ },
    ],
  },
  {
    number: 13,
    scenario: "a misbehaving target: 5xx, hangs, slow bodies, resets, and truncated, wrong or huge responses",
    simulated: "no",
    proofs: [{ file: http, named: /^HTTP client on .* HTTP responses / }],
  },
  {
    number: 14,
    scenario: "TLS certificates: expired, for the wrong host, self-signed",
    simulated: "no",
    proofs: [{ file: http, named: /certificate|TLS|https/i }],
  },
  {
    number: 15,
    scenario: "Retry-After in seconds, as a date, absurd or negative",
    simulated: "in part",
    proofs: [{ file: http, named: /^Retry-After/ }, { file: deliver, named: /Retry-After|asked|waits %/i }, histories],
  },
  {
    number: 16,
    scenario: "a permanent 4xx",
    required: "one try, HELD",
    simulated: "yes",
    proofs: [{ file: deliver, named: /refused packet/ }],
  },
  {
    number: 17,
    scenario: "outages of 1 min, 1 h, 1 day, 20 days",
    simulated: "yes",
    proofs: [{ file: maintenance, named: /outage of/ }],
  },
  {
    number: 18,
    scenario: "a flapping target, with redrives under live traffic",
    required: "≥ 20 flips",
    simulated: "yes",
    proofs: [{ file: maintenance, named: /flaps/ }, histories],
  },
  {
    number: 19,
    scenario: "a failing store and queue",
    required: "1 %, 10 %, 50 % of calls",
    simulated: "yes",
    proofs: [{ file: order, named: /of a hundred calls/ }],
  },
  {
    number: 20,
    scenario: "invalid sheets: the last valid set stays in force, and the issue is reported",
    simulated: "no",
    proofs: [
      { file: folder, named: /invalid|valid sheets/ },
      { file: sheet, named: /^a sheet/ },
    ],
  },
  {
    number: 21,
    scenario: "a sheet changes while packets wait",
    simulated: "yes",
    proofs: [
      { file: order, named: /keeps the sheet/ },
      { file: accept, named: /sheets pinned by the first run/ },
      histories,
    ],
  },
  {
    number: 22,
    scenario:
      "a policy that is unreadable or changes; a compliance engine that is down, slow or returns garbage: nothing is sent unvetted",
    simulated: "in part",
    proofs: [
      { file: folder, named: /governance|policy/ },
      { file: "test/bridge/governance/vet.test.ts" },
      { file: "test/platform/compliance-client.test.ts" },
      { file: "test/sim/removed-safeguards.test.ts", named: /row 22/ },
    ],
  },
  {
    number: 23,
    scenario: "a missing, rotated or slow secret",
    simulated: "yes",
    proofs: [{ file: deliver, named: /credentials|secret/ }, histories],
  },
  {
    number: 24,
    scenario: "clock jumps of ± 1 h, and events from the future",
    simulated: "yes",
    proofs: [{ file: accept, named: /clamps/ }, histories],
  },
  {
    number: 25,
    scenario: "packets of 256 KiB, events of 1 MiB and 10 MiB, and each with one byte more",
    simulated: "yes",
    proofs: [
      { file: event, named: /largest size|10 MiB|counts bytes/ },
      { file: accept, named: /largest events/ },
      { file: "test/bridge/intake/build-packet.test.ts" },
    ],
  },
  {
    number: 26,
    scenario: "malformed events",
    required: "≥ 100 kinds",
    simulated: "yes",
    proofs: [{ file: event, named: /quarantines|100 kinds/ }],
  },
  {
    number: 27,
    scenario: "fuzzing of every entry point",
    required: "≥ 10,000 inputs each",
    simulated: "in part",
    proofs: [
      { file: fuzz },
      { file: "test/ops/api.test.ts", named: /arbitrary input/ },
      { file: event, named: /10,000 random/ },
      { file: sheet, named: /random text/ },
      { file: "test/bridge/mapping/expression.test.ts", named: /random source text/ },
    ],
  },
  {
    number: 28,
    scenario: "hostile sheets",
    required: "≥ 50 kinds",
    simulated: "yes",
    proofs: [
      { file: sheet, named: /hostile/ },
      { file: "test/bridge/mapping/expression.test.ts", named: /stops .* in time|cannot reach the process/ },
      { file: "test/connectors/csv-drop.test.ts", named: /begins like a formula|hostile|quotes a value/ },
      { file: "test/connectors/protocols/sql/upsert-table.test.ts", named: /hostile/ },
      { file: "test/connectors/protocols/soap/connector.test.ts", named: /hostile text/ },
      { file: http, named: /inject a header|cannot escape its path/ },
    ],
  },
  {
    number: 29,
    scenario: "inbound messages: replayed, late, altered, signed with a wrong key, sent back to their source",
    simulated: "in part",
    proofs: [
      { file: "test/bridge/inbound/inbound.test.ts", named: /inbound webhook endpoint|one hop|not sent back/ },
      { file: "test/ops/inbound-routes.test.ts" },
    ],
  },
  {
    number: 30,
    scenario: "replays: repeated, overlapping, under live traffic, with --force, after a manual change",
    simulated: "yes",
    proofs: [{ file: "test/bridge/jobs/replay.test.ts" }, { file: order, named: /changed by hand/ }, histories],
  },
  {
    number: 31,
    scenario: "a backfill with concurrent live traffic",
    required: "100,000; live p99 ≤ 5 × idle",
    simulated: "no",
    proofs: [{ file: load, named: /backfill/ }, { file: "test/bridge/jobs/backfill.test.ts" }],
  },
  {
    number: 32,
    scenario: "two operators edit one held packet",
    simulated: "in part",
    proofs: [
      { file: "test/bridge/operations/held-packets.test.ts", named: /two operators/ },
      { file: "test/ops/api.test.ts", named: /edits by two operators/ },
    ],
  },
  {
    number: 33,
    scenario: "every kind of tampering with the ledger",
    simulated: "no",
    proofs: [
      { file: "test/bridge/ledger/verify.test.ts" },
      { file: "test/bridge/ledger/chain.test.ts" },
      { file: "test/platform/local/seal-folder.test.ts" },
    ],
  },
  {
    number: 34,
    scenario: "kill -9 under load",
    required: "≥ 100 kills",
    simulated: "no",
    proofs: [{ file: "test/chaos/kill.test.ts" }],
  },
  {
    number: 35,
    scenario: "disk full, read-only or damaged database",
    simulated: "no",
    proofs: [
      {
        file: "test/platform/local/database.test.ts",
        named: /full|cannot write|nothing can be written|not a database/,
      },
    ],
  },
];
