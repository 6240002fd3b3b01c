/** Tests a row rests on: a file, and the names of those of its tests that count; all, if not said. */
interface Proof {
  readonly file: string;
  readonly named?: RegExp;
}

/** One promise, and what shows that it is kept. */
export interface Row {
  readonly number: number;
  readonly what: string;
  /** Figure the row asks for, reached with `--full`. */
  readonly asked?: string;
  /** The virtual clock, the engine in memory, targets that live in the test. */
  readonly simulated: "yes" | "no" | "in part";
  readonly proofs: readonly Proof[];
}

const accept = "test/bridge/intake/accept.test.ts";
const deliver = "test/bridge/delivery/deliver.test.ts";
const keep = "test/bridge/maintenance/run-maintenance.test.ts";
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
    what: "steady load on disk, a real HTTP target",
    asked: "200 events/s for 5 min, p99 ≤ 1 s",
    simulated: "no",
    proofs: [{ file: load, named: /^200 events/ }],
  },
  {
    number: 2,
    what: "a burst",
    asked: "25,000 packets in ≤ 10 s, never > 60 s",
    simulated: "no",
    proofs: [{ file: load, named: /burst/ }],
  },
  {
    number: 3,
    what: "a backlog drained after an outage, live traffic beside it",
    asked: "100,000; live p99 ≤ 5 × idle, never > 60 s",
    simulated: "no",
    proofs: [{ file: load, named: /backlog/ }],
  },
  {
    number: 4,
    what: "one record is half of all load",
    asked: "the others' p99 ≤ 5 × idle",
    simulated: "no",
    proofs: [{ file: load, named: /half of all load/ }],
  },
  {
    number: 5,
    what: "30 days with outages",
    asked: "≥ 1,000,000 packets",
    simulated: "yes",
    proofs: [{ file: order, named: /virtual days/ }],
  },
  {
    number: 6,
    what: "a crash before and after every call of mapper, chunk, connector, probe, redrive, watchdog, replay",
    asked: "100 % of points, enumerated",
    simulated: "yes",
    proofs: [{ file: points, named: /any of its calls loses nothing in/ }],
  },
  {
    number: 7,
    what: "pairs of crashes",
    asked: "≥ 10,000",
    simulated: "yes",
    proofs: [{ file: points, named: /pairs/ }],
  },
  {
    number: 8,
    what: "duplicates of events and messages, also after 5 min",
    simulated: "yes",
    proofs: [
      { file: order, named: /comes up to five times/ },
      { file: accept, named: /ten times at once|duplicate/ },
      histories,
    ],
  },
  {
    number: 9,
    what: "reordering: every order of up to six events of one record",
    simulated: "yes",
    proofs: [
      { file: order, named: /every order/ },
      { file: "test/bridge/delivery/shadow.test.ts", named: /permutations/ },
    ],
  },
  {
    number: 10,
    what: "model-based sequences",
    asked: "≥ 10,000",
    simulated: "yes",
    proofs: [{ file: sim, named: /sequences of acts/ }],
  },
  {
    number: 11,
    what: "a poison packet at each of 10 places in 3 lanes",
    simulated: "yes",
    proofs: [{ file: deliver, named: /poison packet/ }],
  },
  {
    number: 12,
    what: "visibility or lease ends while the first try still runs",
    simulated: "yes",
    proofs: [
      { file: order, named: /first try that still runs/ },
      { file: deliver, named: /lease|cut off if|crash between claim/ },
    ],
  },
  {
    number: 13,
    what: "a target that misbehaves: 5xx, hang, drips, resets, cut-off or wrong or huge answers",
    simulated: "no",
    proofs: [{ file: http, named: /^HTTP client on .* HTTP responses / }],
  },
  {
    number: 14,
    what: "TLS: expired, wrong host, self-signed",
    simulated: "no",
    proofs: [{ file: http, named: /certificate|TLS|https/i }],
  },
  {
    number: 15,
    what: "Retry-After in seconds, as a date, absurd, negative",
    simulated: "in part",
    proofs: [{ file: http, named: /^Retry-After/ }, { file: deliver, named: /Retry-After|asked|waits %/i }, histories],
  },
  {
    number: 16,
    what: "a permanent 4xx",
    asked: "one try, HELD",
    simulated: "yes",
    proofs: [{ file: deliver, named: /refused packet/ }],
  },
  {
    number: 17,
    what: "outages of 1 min, 1 h, 1 day, 20 days",
    simulated: "yes",
    proofs: [{ file: keep, named: /outage of/ }],
  },
  {
    number: 18,
    what: "a flapping target, redrive under live traffic",
    asked: "≥ 20 flips",
    simulated: "yes",
    proofs: [{ file: keep, named: /flaps/ }, histories],
  },
  {
    number: 19,
    what: "store and queue failing",
    asked: "1 %, 10 %, 50 % of calls",
    simulated: "yes",
    proofs: [{ file: order, named: /of a hundred calls/ }],
  },
  {
    number: 20,
    what: "bad sheets: the last good set stays, the fault is named",
    simulated: "no",
    proofs: [
      { file: folder, named: /bad|good set/ },
      { file: sheet, named: /^a sheet/ },
    ],
  },
  {
    number: 21,
    what: "a sheet changes while packets wait",
    simulated: "yes",
    proofs: [{ file: order, named: /keeps the sheet/ }, { file: accept, named: /sheets of the first run/ }, histories],
  },
  {
    number: 22,
    what: "governance that cannot be read, or changes; an engine that is down, slow, answers garbage: nothing leaves unvetted",
    simulated: "in part",
    proofs: [
      { file: folder, named: /governance|policy/ },
      { file: "test/bridge/governance/vet.test.ts" },
      { file: "test/platform/compliance-client.test.ts" },
      { file: "test/sim/takeaway.test.ts", named: /row 22/ },
    ],
  },
  {
    number: 23,
    what: "a secret missing, rotated, slow",
    simulated: "yes",
    proofs: [{ file: deliver, named: /credentials|secret/ }, histories],
  },
  {
    number: 24,
    what: "clock ± 1 h and backward, future events",
    simulated: "yes",
    proofs: [{ file: accept, named: /clamps/ }, histories],
  },
  {
    number: 25,
    what: "packets of 256 KiB, events of 1 MiB and 10 MiB, and a byte more",
    simulated: "yes",
    proofs: [
      { file: event, named: /largest size|10 MiB|counts bytes/ },
      { file: accept, named: /largest events/ },
      { file: "test/bridge/intake/build-packet.test.ts" },
    ],
  },
  {
    number: 26,
    what: "malformed events",
    asked: "≥ 100 kinds",
    simulated: "yes",
    proofs: [{ file: event, named: /quarantines|100 kinds/ }],
  },
  {
    number: 27,
    what: "fuzz of every door",
    asked: "≥ 10,000 inputs each",
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
    what: "hostile sheets",
    asked: "≥ 50 kinds",
    simulated: "yes",
    proofs: [
      { file: sheet, named: /hostile/ },
      { file: "test/bridge/mapping/expression.test.ts", named: /stops .* in time|cannot reach the process/ },
      { file: "test/connectors/csv-drop.test.ts", named: /begins like a formula|hostile|quotes a value/ },
      { file: "test/connectors/protocols/sql/upsert-table.test.ts", named: /hostile/ },
      { file: "test/connectors/protocols/soap/connector.test.ts", named: /hostile text/ },
      { file: http, named: /smuggle a header|cannot climb out/ },
    ],
  },
  {
    number: 29,
    what: "inbound: replayed, late, altered, wrong key, ping-pong",
    simulated: "in part",
    proofs: [
      { file: "test/bridge/inbound/inbound.test.ts", named: /inbound webhook endpoint|one hop|not sent back/ },
      { file: "test/ops/inbound-routes.test.ts" },
    ],
  },
  {
    number: 30,
    what: "replay twice, overlapping, under live traffic, --force, after a change by hand",
    simulated: "yes",
    proofs: [{ file: "test/bridge/jobs/replay.test.ts" }, { file: order, named: /changed by hand/ }, histories],
  },
  {
    number: 31,
    what: "a back-fill beside live traffic",
    asked: "100,000; live p99 ≤ 5 × idle",
    simulated: "no",
    proofs: [{ file: load, named: /back-fill/ }, { file: "test/bridge/jobs/backfill.test.ts" }],
  },
  {
    number: 32,
    what: "two operators edit one held packet",
    simulated: "in part",
    proofs: [
      { file: "test/bridge/operations/held-packets.test.ts", named: /two operators/ },
      { file: "test/ops/api.test.ts", named: /edits by two operators/ },
    ],
  },
  {
    number: 33,
    what: "the ledger tampered with in every way",
    simulated: "no",
    proofs: [
      { file: "test/bridge/ledger/verify.test.ts" },
      { file: "test/bridge/ledger/chain.test.ts" },
      { file: "test/platform/local/seal-folder.test.ts" },
    ],
  },
  {
    number: 34,
    what: "kill -9 under load",
    asked: "≥ 100 kills",
    simulated: "no",
    proofs: [{ file: "test/chaos/kill.test.ts" }],
  },
  {
    number: 35,
    what: "disk full, read-only or damaged database",
    simulated: "no",
    proofs: [
      { file: "test/platform/local/database.test.ts", named: /full|cannot write|nothing can be written|no database/ },
    ],
  },
];
