import { execFile } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { Bridge, type BridgeOptions, Event, Stream, sourceOf } from "../../index.ts";
import { fixtureConnectors, fixtureTargets } from "../fixtures/stores/fixture-connectors.ts";
import { acceptingTarget } from "../support/accepting-target.ts";

const stores = join(import.meta.dirname, "..", "fixtures", "stores");
const releases = readdirSync(stores, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);

const cli = join(import.meta.dirname, "..", "..", "cli", "main.js");

const reason = "the test continues";

const centuryMs = 100 * 365 * 86_400_000;

/** Short intervals, and a retention so long that no payload of an old store is erased. */
const times = { backoffMs: [20, 40], tickMs: 50, probeMs: 100, redriveMs: 100, retentionMs: centuryMs };

interface Identified {
  readonly id: string;
}

/** Description of a store, written by make-store.ts. */
interface Manifest {
  readonly tally: Awaited<ReturnType<Bridge["tally"]>>;
  readonly inbox: number;
  readonly ledger: Readonly<Record<"chains" | "entries" | "seals" | "unsealed", number>>;
  readonly jobs: readonly (Identified & { readonly status: string })[];
  readonly connectors: readonly { readonly connector: string; readonly health: string; readonly outbox: number }[];
  readonly refused: Identified;
  readonly stream: { readonly type: string; readonly name: string; readonly given: number };
  readonly events: Readonly<Record<string, readonly string[]>>;
  readonly situations: Readonly<Record<string, { readonly status: string; readonly packets: readonly string[] }>>;
}

/** Copies a release's store to a temporary folder. */
function copyOf(release: string) {
  const folder = mkdtempSync(join(tmpdir(), "bridge-test-"));
  cpSync(join(stores, release), folder, { recursive: true });
  const store = join(folder, "store");
  // Git stores no file modes, and the store's files must be accessible only to their owner.
  chmodSync(store, 0o700);
  for (const name of readdirSync(store)) chmodSync(join(store, name), 0o600);
  const empty = join(folder, "no-sheets");
  mkdirSync(empty);
  const open = (options: BridgeOptions) =>
    new Bridge({
      dir: store,
      seals: join(folder, "seals"),
      mappings: join(folder, "mappings"),
      register: fixtureConnectors,
      ...options,
    });
  return {
    manifest: JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8")) as Manifest,
    packets: readFileSync(join(folder, "packets.ndjson"), "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as { readonly library: Identified; readonly commandLine: Identified }),
    open,
    /** Runs `bridge` on the store without sheets, because the command line lacks the fixture's connectors. */
    async bridge(...args: string[]): Promise<unknown> {
      const command = [cli, ...args, "--json", "--dir", store, "--mappings", empty];
      const { stdout } = await promisify(execFile)(process.execPath, command, { cwd: folder });
      return JSON.parse(stdout);
    },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}

describe.each(releases)("store of release %s", { tags: "row-41" }, (release) => {
  it("contains every packet in the state the release left it in", async () => {
    using fixture = copyOf(release);
    const { manifest, packets } = fixture;
    await using bridge = fixture.open({ work: false });

    const found = await bridge.outbox({ limit: 10_000 });

    expect(await bridge.tally()).toEqual(manifest.tally);
    expect(JSON.parse(JSON.stringify(found))).toMatchObject(packets.map(({ library }) => library));
    for (const [situation, { status, packets: ids }] of Object.entries(manifest.situations)) {
      const statuses = await Promise.all(ids.map(async (id) => (await bridge.packet(id))?.status));
      expect(statuses, situation).toEqual(ids.map(() => status));
    }
  });

  it("has a valid ledger with all of the release's seals", async () => {
    using fixture = copyOf(release);
    const { chains, entries, seals, unsealed } = fixture.manifest.ledger;
    await using bridge = fixture.open({ work: false });

    const found = await bridge.verify();

    expect(found.fault).toBeUndefined();
    expect(found).toMatchObject({ chains, entries, seals: { seals, unsealed } });
  });

  it("shows packets, events, jobs and connectors on the command line in the state the release left them in", {
    timeout: 60_000,
  }, async () => {
    using fixture = copyOf(release);
    const { manifest, packets } = fixture;
    const { refused } = manifest;
    const first = Object.entries(manifest.events).map(([status, [id = ""]]) => ({ id, status }));

    const [outbox, held, jobs, connectors, ...events] = await Promise.all([
      fixture.bridge("outbox", "--limit", "10000"),
      fixture.bridge("explain", refused.id),
      fixture.bridge("jobs", "--limit", "200"),
      fixture.bridge("connectors"),
      ...first.map(({ id }) => fixture.bridge("explain", id)),
    ]);

    expect(outbox).toMatchObject(packets.map(({ commandLine }) => commandLine));
    expect(held).toMatchObject(refused);
    expect(jobs).toMatchObject(manifest.jobs);
    expect(connectors).toEqual(
      expect.arrayContaining(manifest.connectors.map((connector) => expect.objectContaining(connector))),
    );
    expect(events).toMatchObject(first);
  });

  it("resumes a stream at the first event that the release had not processed", async () => {
    using fixture = copyOf(release);
    const { type, name, given } = fixture.manifest.stream;
    await using bridge = fixture.open({ work: false });
    const idsFrom = async (cursor: string, count: number) => {
      const ids: string[] = [];
      for await (const event of Stream(type, { bridge, name: cursor })) {
        if (ids.push(sourceOf(event).id) === count) break;
      }
      return ids;
    };

    const next = await idsFrom(name, 1);

    const all = await idsFrom("from the beginning", given);
    expect(next).toEqual(all.slice(-1));
  });

  it("remembers the targets' values, so that an unchanged value is not sent again", async () => {
    using fixture = copyOf(release);
    const [id = ""] = fixture.manifest.situations["sent after a release"]?.packets ?? [];
    await using target = await acceptingTarget();
    await using bridge = fixture.open({ connectors: fixtureTargets(target.url), times });
    const { entity, fields } = await bridge.finished(id);

    const data = { staffId: entity, hours: fields.flex_time ?? null };
    await bridge.emit(Event({ type: "staff.hours.changed", data }));
    const statuses = async () => (await bridge.outbox({ entity })).map(({ status }) => status);

    await expect.poll(async () => (await statuses()).at(-1), { timeout: 10_000 }).toBe("UNCHANGED");
  });

  it("completes all work: waiting packets are sent, jobs end, and the ledger verifies", {
    timeout: 90_000,
  }, async () => {
    using fixture = copyOf(release);
    const { manifest } = fixture;
    const waiting = Object.values(manifest.situations)
      .filter(({ status }) => status === "QUEUED" || status === "RETRY")
      .flatMap(({ packets }) => packets);
    const heads = manifest.situations["held as the head of a strict lane"]?.packets ?? [];
    await using target = await acceptingTarget();
    for (const { connector, health, outbox } of manifest.connectors) {
      if (health === "PAUSED") await fixture.bridge("connectors", "resume", connector, "--reason", reason);
      if (health === "UP" && outbox > 0) await fixture.bridge("redrive", connector, "--reason", reason);
    }

    await using bridge = fixture.open({ connectors: fixtureTargets(target.url), times });
    await bridge.open();
    for (const head of heads) await fixture.bridge("discard", head, "--reason", reason);
    const left = async () => {
      const { packets, events } = await bridge.tally();
      return packets.QUEUED + packets.RETRY + events.EXPANDING;
    };
    const running = async () => {
      const jobs = (await fixture.bridge("jobs", "--limit", "200")) as Manifest["jobs"];
      return jobs.filter(({ status }) => status === "RUNNING").length;
    };
    await expect.poll(running, { timeout: 30_000, interval: 500 }).toBe(0);
    await expect.poll(left, { timeout: 30_000 }).toBe(0);
    const settled = await bridge.settled();

    expect(settled).toBe(true);
    const ends = await Promise.all(waiting.map(async (id) => [id, (await bridge.packet(id))?.status]));
    expect(ends).toEqual(waiting.map((id) => [id, "SENT"]));
    expect(waiting.filter((id) => !target.received.has(id))).toEqual([]);
    const numbered = manifest.situations["sent in a strict lane"]?.packets.length ?? 0;
    expect(target.journal.map(({ number }) => number)).toEqual(target.journal.map((_, i) => numbered + 1 + i));
    const { events, packets } = await bridge.tally();
    expect(packets.HELD).toBe(manifest.tally.packets.HELD - heads.length);
    expect(sum(events) - sum(manifest.tally.events) - auditEvents(events, manifest)).toBe(manifest.inbox);
    expect((await bridge.verify()).fault).toBeUndefined();
  });
});

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((all, count) => all + count, 0);
}

/** Returns the number of audit events for the test's own operations. */
function auditEvents({ NOTED }: Manifest["tally"]["events"], { tally }: Manifest): number {
  return NOTED - tally.events.NOTED;
}
