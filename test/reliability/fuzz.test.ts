import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { parse } from "csv-parse/sync";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { receiveWebhook } from "../../bridge/inbound/receive-webhook.ts";
import { readSheets } from "../../bridge/mapping/sheet-file.ts";
import { parseEvent } from "../../bridge/model/event.ts";
import type { Json } from "../../bridge/values/json.ts";
import { signedHeaders } from "../../bridge/values/webhook-signature.ts";
import { connector as csvDrop } from "../../connectors/csv-drop.ts";
import { parseResponse } from "../../connectors/protocols/soap/response.ts";
import { loadCatalog } from "../../library/bridge.ts";
import { attemptContext } from "../support/attempt-context.ts";
import { aPacket } from "../support/builders.ts";
import { aCore, aPolicy, fakeTarget, invariantViolations } from "../support/core.ts";
import { cpuMs } from "../support/cpu-time.ts";
import { home } from "../support/home.ts";
import { jsonMutants, mutants } from "../support/mutants.ts";
import { figure, firstSeed, inputsPerEntryPoint } from "./figure.ts";

const timeout = 60_000 + inputsPerEntryPoint * 30;

/** Number of inputs per store. After these, the store's counts are checked against its ledger. */
const inputsPerStore = 500;

/** Measures the slowest of several inputs. */
class Slowest {
  ms = 0;

  async of<T>(work: () => T | Promise<T>): Promise<T> {
    const began = cpuMs();
    const result = await work();
    this.ms = Math.max(this.ms, cpuMs() - began);
    return result;
  }
}

type Task = Parameters<typeof figure>[0];

function reportInputs(task: Task, entryPoint: string, count: number, slowest: Slowest): void {
  const reached = `${entryPoint}: ${count} inputs, slowest ${Math.round(slowest.ms)} ms`;
  figure(task, reached, { met: count >= 10_000, seed: firstSeed });
  expect(slowest.ms).toBeLessThan(1_000);
}

/** Generates random inputs. The same seed yields the same inputs. */
function sample<T>(arbitrary: fc.Arbitrary<T>): T[] {
  return fc.sample(arbitrary, { numRuns: inputsPerEntryPoint, seed: firstSeed });
}

const json = ['"', "{", "}", "[", "]", ":", ",", "\\u0000", "\\ud800", '"id":', '"__proto__":{}', '"data":'];

describe("an entry point under random input", { tags: "row-27" }, () => {
  test("accepts or quarantines any event and counts it", { timeout }, async ({ task }) => {
    const event = {
      ...{ id: "c-1", source: "hms.policy", type: "policy.per_diem.updated", subject: "rate-1" },
      ...{ time: "2026-03-01T12:00:00Z", sequence: 7, data: { new_rate: 68, old_rate: 62, note: "plain" } },
    };
    const any = fc.oneof(mutants([JSON.stringify(event)], json), jsonMutants(event));
    const bodies = sample(any).map((body) => body.toWellFormed());
    const slowest = new Slowest();
    let accepted = 0;

    for (let from = 0; from < bodies.length; from += inputsPerStore) {
      const batch = bodies.slice(from, from + inputsPerStore);
      for (const body of batch) if ((await slowest.of(() => parseEvent(body))).kind === "event") accepted++;
      await using core = await aCore({ targets: [fakeTarget()] });
      await core.emit(...batch);
      await core.run();
      expect(await invariantViolations(core, batch.length)).toEqual([]);
      expect(await core.depth("inbox")).toBe(0);
    }

    expect(accepted).toBeGreaterThan(inputsPerEntryPoint / 20);
    reportInputs(task, "events", bodies.length, slowest);
  });

  test("reads any sheet, or refuses it with the line of each issue", { timeout }, async ({ task }) => {
    const root = join(import.meta.dirname, "..", "..");
    const valid = ["mappings", "examples/sheets"].flatMap((folder) =>
      readdirSync(join(root, folder)).map((name) => readFileSync(join(root, folder, name), "utf8")),
    );
    const yaml = [": ", "\n", "  ", "- ", "{", "}", "[", "]", "&a ", "*a", "!!js ", "|", ">", "<<: ", "'", '"', "# "];
    const jsonata = ["$", "$eval(", "$$", "~>", "**", "..", "^(", "?", ":=", "function($x){$x}", "/(a+)+$/", "1e9"];
    const texts = sample(mutants(valid, [...yaml, ...jsonata, "map:", "with: ", "targets:", "for_each: "]));
    const catalog = await loadCatalog();
    const policy = aPolicy("otherwise: block");
    const slowest = new Slowest();
    let read = 0;

    for (const text of texts) {
      const files = [{ file: "mappings/any.yaml", text }];
      const reading = await slowest.of(() => readSheets(files, catalog, policy));
      for (const { line, message } of reading.issues) {
        expect(line).toBeGreaterThanOrEqual(1);
        expect(message).not.toBe("");
      }
      if (reading.issues.length === 0) read++;
      expect(reading.sheets.length + reading.issues.length).toBeGreaterThan(0);
    }

    expect(read).toBeGreaterThan(inputsPerEntryPoint / 20);
    reportInputs(task, "sheets", texts.length, slowest);
  });

  test("refuses or records any inbound message, signed or not", { timeout }, async ({ task }) => {
    const key = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;
    const env = { BRIDGE_SECRET_FAKE_INBOUND: JSON.stringify({ keys: [key] }) };
    const message = { kind: "rate", policy: "POL-1", rows: [{ rate: 68 }, { rate: 70 }] };
    const back = `
direction: inbound
source_event: inbound.Fake
key: data.policy
targets: { hms: { publish: policy.per_diem.updated, for_each: data.rows, key: rate, map: { rate: new_rate } } }
`;
    const calls = sample(
      fc.record({
        body: fc.oneof(mutants([JSON.stringify(message)], json), jsonMutants(message)),
        isSigned: fc.boolean(),
        header: fc.constantFrom("webhook-id", "webhook-timestamp", "webhook-signature", "content-type", "none"),
        value: fc.oneof(
          fc.string({ unit: "binary", maxLength: 300 }),
          fc.constantFrom("v1,", "v1, v1,", " ".repeat(9_999)),
        ),
      }),
    );
    const slowest = new Slowest();
    const statuses = new Set<number>();
    const eventStatuses = new Set<string | undefined>();

    for (let from = 0; from < calls.length; from += inputsPerStore) {
      await using core = await aCore({ targets: [fakeTarget()], sheets: { back }, env });
      const recorded: string[] = [];
      for (const [i, { body, isSigned, header, value }] of calls.slice(from, from + inputsPerStore).entries()) {
        const seconds = String(Math.floor(core.clock.now() / 1_000));
        const bytes = Buffer.from(body);
        const headers: Record<string, string> = {
          "content-type": "application/json",
          ...signedHeaders([key], { id: `msg-${i}`, seconds, body: bytes }),
          ...(!isSigned && { [header]: value }),
        };
        const call = { connector: "Fake", header: (name: string) => headers[name], body: bytes };
        const answer = await slowest.of(() => receiveWebhook(core.engine, call));
        statuses.add(answer.status);
        if (answer.status === 202) recorded.push(answer.event);
      }
      await core.run();
      const events = await core.engine.store.read("event", recorded);
      for (const event of events) eventStatuses.add(event?.value.status);
      expect(await core.depth("inbox")).toBe(0);
    }

    expect([...statuses].sort()).toEqual([202, 400, 401, 415]);
    expect([...eventStatuses].sort()).toEqual(["EXPANDED", "QUARANTINED"]);
    reportInputs(task, "inbound", calls.length, slowest);
  });

  test("writes any value as a CSV row that reads back unchanged, or refuses it", { timeout }, async ({ task }) => {
    const text = fc.oneof(
      fc.string({ unit: "binary", maxLength: 20 }),
      fc
        .array(fc.constantFrom(",", '"', "\r", "\n", ";", "=", "+", "@", "\t", " ", "\u00a0", "a", "1", "'"), {
          maxLength: 8,
        })
        .map((characters) => characters.join("")),
    );
    const value = fc.oneof(
      text,
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.boolean(),
      fc.constant(null),
      fc.jsonValue({ maxDepth: 2 }),
    );
    const rows = sample(fc.record({ entity: text, city: value, rate: value, drop: fc.boolean() }));
    using folder = home();
    const to = pathToFileURL(folder.path).href;
    const context = attemptContext(csvDrop, { config: { to, columns: ["city", "rate"] } });
    const slowest = new Slowest();
    let delivered = 0;

    for (let from = 0; from < rows.length; from += 10) {
      const packets = rows.slice(from, from + 10).map(({ entity, city, rate, drop }, i) =>
        aPacket({
          id: `pkt-${from + i}`,
          entity,
          ...(drop ? { action: "delete", fields: {} } : { fields: { city: city as Json, rate: rate as Json } }),
        }),
      );
      const outcomes = (await slowest.of(() => csvDrop.sendBatch?.(packets, context))) ?? [];
      const written = packets.filter((_, i) => outcomes[i]?.kind === "delivered");
      delivered += written.length;
      expect(outcomes.every(({ kind }) => kind === "delivered" || kind === "refused")).toBe(true);
      const [first] = outcomes.flatMap((outcome) => (outcome.kind === "delivered" ? (outcome.at ?? []) : []));
      const read =
        first === undefined
          ? []
          : parse<Record<string, string>>(readFileSync(join(folder.path, first)), {
              columns: true,
            });
      const plain = (cell: unknown) => String(cell ?? "");
      const shown = (cell: Json | undefined, as = "") =>
        as === plain(cell) || (typeof cell === "string" && as === `'${cell}`);
      expect(read.map(({ packet_id }) => packet_id)).toEqual(written.map(({ id }) => id).sort());
      for (const row of read) {
        const packet = written.find(({ id }) => id === row.packet_id);
        expect(shown(packet?.entity, row.entity), JSON.stringify([packet, row])).toBe(true);
        for (const name of ["city", "rate"]) {
          expect(shown(packet?.fields[name], row[name]), JSON.stringify([packet, row])).toBe(true);
        }
        for (const cell of Object.values(row)) {
          expect(/^\s*[=+@]|^\s*-(?!\d)/.test(cell), JSON.stringify(cell)).toBe(false);
        }
      }
    }

    expect(delivered).toBeGreaterThan(inputsPerEntryPoint / 4);
    reportInputs(task, "CSV", rows.length, slowest);
  });

  test("reads any response of a SOAP service as an answer, a fault or unreadable", { timeout }, async ({ task }) => {
    const soap = "http://schemas.xmlsoap.org/soap/envelope/";
    const envelope = (body: string) =>
      `<?xml version="1.0"?><soap:Envelope xmlns:soap="${soap}"><soap:Body>${body}</soap:Body></soap:Envelope>`;
    const valid = [
      envelope('<r xmlns="x" a="1"><b>&lt;2 &#169;</b><![CDATA[c]]></r>'),
      envelope("<soap:Fault><faultcode>soap:Client.Hours</faultcode><faultstring>no</faultstring></soap:Fault>"),
    ];
    const tokens = [
      ...["<", ">", "/>", "</", "<a>", "</a>", "<!--", "-->", "<![CDATA[", "]]>", "<?x ", "?>", "&", "&lt;", "&x;"],
      ...["&#0;", "&#xD800;", "&#x110000;", "xmlns:a='b'", "xml:", "='", '="', "<!DOCTYPE x>", "<!ENTITY e 'e'>"],
      "<a>".repeat(500),
    ];
    const answers = sample(mutants(valid, tokens));
    const slowest = new Slowest();
    const kinds = new Set<string>();

    for (const answer of answers) kinds.add((await slowest.of(() => parseResponse(answer))).kind);

    expect([...kinds].sort()).toEqual(["fault", "success", "unreadable"]);
    reportInputs(task, "XML", answers.length, slowest);
  });
});
