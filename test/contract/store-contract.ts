import { describe, expect, it } from "vitest";
import { append, tailOf } from "../../bridge/ledger/chain.ts";
import type { EventRecord } from "../../bridge/model/event-record.ts";
import type { Job } from "../../bridge/model/job.ts";
import type { LedgerEntry, Status } from "../../bridge/model/ledger-entry.ts";
import type { Packet } from "../../bridge/model/packet.ts";
import type { PacketRecord, Progress } from "../../bridge/model/packet-record.ts";
import type { PacketQuery, Put, Stored, StorePort } from "../../bridge/ports/store.ts";
import { createPacketRecord, type Transition, transitionPacket } from "../../bridge/recording/transitions.ts";
import { anEvent, aPacket, aVersion, noon } from "../support/builders.ts";

/** One engine's table and ledger, empty. */
export interface StoreFixture extends AsyncDisposable {
  readonly port: StorePort;
  /** Simulates a restart of the process on the same store. Absent if the store is remote or not durable. */
  reopen?(): Promise<void>;
}

/** Returns a put of another value. A store may answer a repeated write as written if it holds exactly its value. */
function another(put: Put): Put {
  if (put.kind !== "packet") return { ...put, value: { ...put.value, another: true } } as unknown as Put;
  return { ...put, value: { ...put.value, progress: { ...put.value.progress, tries: 9 } } };
}

/** Checks an engine's table and ledger. */
export function storeContract(engine: string, makeFixture: () => Promise<StoreFixture>): void {
  describe(`the store of ${engine}`, () => {
    it("lists jobs newest first, either all or only those still running", async () => {
      await using fixture = await makeFixture();
      const { port } = fixture;
      for (const [id, status] of [
        ["job-2", "DONE"],
        ["job-1", "RUNNING"],
        ["job-4", "CANCELLED"],
        ["job-3", "RUNNING"],
      ] as const) {
        await port.write([{ kind: "job", id, value: aJob(id, status), etag: 0 }]);
      }
      await port.write([{ kind: "cursor", id: "job-5", value: { position: "1" }, etag: 0 }]);
      const ids = async (query: { running?: boolean; limit: number }) =>
        (await port.jobs(query)).map(({ value, etag }) => `${value.id} ${etag}`);

      expect(await ids({ limit: 10 })).toEqual(["job-4 1", "job-3 1", "job-2 1", "job-1 1"]);
      expect(await ids({ limit: 2 })).toEqual(["job-4 1", "job-3 1"]);
      expect(await ids({ running: true, limit: 10 })).toEqual(["job-3 1", "job-1 1"]);
      expect(await ids({ running: true, limit: 1 })).toEqual(["job-3 1"]);

      await port.write([{ kind: "job", id: "job-3", value: aJob("job-3", "DONE"), etag: 1 }]);
      expect(await ids({ running: true, limit: 10 })).toEqual(["job-1 1"]);
    });

    describe("conditional puts", () => {
      it("returns the value as written, with the number of writes as its etag", async () => {
        await using fixture = await makeFixture();
        const value = { position: "7" };

        expect(await fixture.port.write([{ kind: "cursor", id: "a", value, etag: 0 }])).toBe("written");
        expect(await fixture.port.read("cursor", ["a", "b", "a"])).toEqual([
          { value, etag: 1 },
          undefined,
          { value, etag: 1 },
        ]);
      });

      it("succeeds only with the stored etag", async () => {
        await using fixture = await makeFixture();
        const { port } = fixture;
        const put = (etag: number, position: string) =>
          port.write([{ kind: "cursor", id: "a", value: { position }, etag }]);

        expect(await put(1, "none there yet")).toBe("conflict");
        expect(await put(0, "1")).toBe("written");
        expect(await put(0, "there already")).toBe("conflict");
        expect(await put(1, "2")).toBe("written");
        expect(await put(1, "too late")).toBe("conflict");
        expect(await put(3, "too early")).toBe("conflict");

        expect(await port.read("cursor", ["a"])).toEqual([{ value: { position: "2" }, etag: 2 }]);
      });

      it.each(["packet", "event", "cursor", "shadow", "health", "sheet", "job", "seal"] as const)(
        "keeps a %s apart from the other kinds",
        async (kind) => {
          await using fixture = await makeFixture();
          const { port } = fixture;
          const put = puts()[kind];

          expect(await port.write([put])).toBe("written");
          expect(await port.read(kind, [put.id])).toEqual([{ value: put.value, etag: 1 }]);
          expect(await port.write([another(put)])).toBe("conflict");
          expect(await port.write([{ ...put, etag: 2 } as Put])).toBe("conflict");
          expect(await port.write([{ ...put, etag: 1 } as Put])).toBe("written");
          expect(await port.write([{ ...another(put), etag: 1 } as Put])).toBe("conflict");
          expect((await port.read(kind, [put.id]))[0]?.etag).toBe(2);
          for (const other of ["packet", "event", "cursor", "shadow", "health", "sheet", "job", "seal"] as const) {
            if (other !== kind) expect(await port.read(other, [put.id])).toEqual([undefined]);
          }
        },
      );

      it("lets exactly one of many concurrent writers succeed", async () => {
        await using fixture = await makeFixture();
        const { port } = fixture;
        await port.write([{ kind: "cursor", id: "a", value: { position: "0" }, etag: 0 }]);

        const results = await Promise.all(
          Array.from({ length: 20 }, (_, i) =>
            port.write([{ kind: "cursor", id: "a", value: { position: `${i}` }, etag: 1 }]),
          ),
        );

        expect(results.filter((result) => result === "written")).toHaveLength(1);
        const winner = results.indexOf("written");
        expect(await port.read("cursor", ["a"])).toEqual([{ value: { position: `${winner}` }, etag: 2 }]);
      });

      it("stores any JSON unchanged", async () => {
        await using fixture = await makeFixture();
        const { port } = fixture;
        const fields = {
          "a.b": null,
          "é😀\u0000": [1, -0.5, 1e-7, { deep: [[]] }],
          "'; DROP TABLE packets; --": '"\\',
        };
        const { record, entry } = aNew({ fields });

        await port.write([putOf(record)], [entry]);

        expect((await port.read("packet", [record.packet.id]))[0]?.value).toEqual(record);
      });
    });

    describe("transaction", () => {
      it("writes nothing if one of its puts conflicts", async () => {
        await using fixture = await makeFixture();
        const { port } = fixture;
        await port.write([{ kind: "cursor", id: "there", value: { position: "1" }, etag: 0 }]);
        const { record, entry } = aNew();

        const written = await port.write(
          [putOf(record), { kind: "cursor", id: "there", value: { position: "2" }, etag: 0 }],
          [entry],
        );

        expect(written).toBe("conflict");
        expect(await port.read("packet", [record.packet.id])).toEqual([undefined]);
        expect(await port.chain(record.packet.id)).toEqual([]);
        expect((await port.read("cursor", ["there"]))[0]?.value).toEqual({ position: "1" });
      });

      it("conflicts if the packet has changed since it was read, whatever status it writes", async () => {
        await using fixture = await makeFixture();
        const { port } = fixture;
        const { record, entry } = aNew();
        await port.write([putOf(record)], [entry]);
        await advanceTo(port, record.packet.id, "RETRY");

        for (const status of ["QUEUED", "RETRY", "SENT"] as const) {
          const stale = { ...record, progress: { ...record.progress, status } };
          expect(await port.write([putOf(stale, 1)])).toBe("conflict");
        }
        expect((await port.read("packet", [record.packet.id]))[0]).toMatchObject({
          value: { progress: { status: "RETRY" } },
          etag: 2,
        });
      });

      it("writes nothing if an entry's sequence number in its chain is taken", async () => {
        await using fixture = await makeFixture();
        const { port } = fixture;
        const first = aNew();
        await port.write([putOf(first.record)], [first.entry]);
        const a = transitionPacket(first.record, noon, { status: "RETRY", facts: { by: "a" } });
        const b = transitionPacket(first.record, noon, { status: "SENT", facts: { by: "b" } });
        await port.write([putOf(a.record, 1)], [a.entry]);

        const written = await port.write(
          [putOf(b.record, 2), { kind: "cursor", id: "beside", value: { position: "1" }, etag: 0 }],
          [b.entry],
        );

        expect(written).toBe("conflict");
        expect(await port.chain(first.record.packet.id)).toEqual([first.entry, a.entry]);
        expect((await port.read("packet", [first.record.packet.id]))[0]?.value.progress.status).toBe("RETRY");
        expect(await port.read("cursor", ["beside"])).toEqual([undefined]);
      });

      it("accepts 100 puts and entries in total and rejects 101", async () => {
        await using fixture = await makeFixture();
        const { port } = fixture;
        const many = Array.from({ length: 50 }, (_, i) => aNew({ id: idOf(i) }));
        const [puts, entries] = [many.map(({ record }) => putOf(record)), many.map(({ entry }) => entry)];
        const one: Put = { kind: "cursor", id: "a", value: { position: "1" }, etag: 0 };

        await expect(port.write([...puts, one], entries)).rejects.toThrow();
        expect(await port.read("packet", [idOf(0)])).toEqual([undefined]);
        expect(await port.write(puts, entries)).toBe("written");
      });

      it("accepts 3.5 MB in total and rejects more", async () => {
        await using fixture = await makeFixture();
        const { port } = fixture;
        const many = Array.from({ length: 14 }, (_, i) => aNew({ id: idOf(i), fields: { text: "x".repeat(250_000) } }));
        const write = (steps: readonly Transition[]) =>
          port.write(
            steps.map(({ record }) => putOf(record)),
            steps.map(({ entry }) => entry),
          );

        await expect(write(many)).rejects.toThrow(RangeError);
        expect(await port.read("packet", [idOf(0)])).toEqual([undefined]);
        expect(await write(many.slice(1))).toBe("written");
      });

      it("stores the largest packets and events unchanged through every transition", async () => {
        await using fixture = await makeFixture();
        const { port } = fixture;
        const ids = [1, 2, 3].map(idOf);
        const texts = ["x".repeat(4_000), "é😀".repeat(43_000), "€".repeat(87_000)];
        for (const [i, text] of texts.entries()) await add(port, aNew({ id: ids[i] as string, fields: { text } }));
        const event = anEvent({ data: { text: "😀é".repeat(174_000) } });
        await addEvent(port, "evt-large", { event });

        for (const id of ids) await advanceTo(port, id, "RETRY");
        const [stored] = await port.read("event", ["evt-large"]);
        await port.write([
          { kind: "event", id: "evt-large", value: { ...(stored?.value as EventRecord), duplicates: 1 }, etag: 1 },
        ]);

        const listed = (await port.packets({ limit: 10 })).items;
        expect(listed.map(({ packet }) => packet.fields.text).sort()).toEqual([...texts].sort());
        const read = await port.read("packet", ids);
        expect(read.map((packet) => packet?.value.packet.fields.text)).toEqual(texts);
        expect((await port.read("event", ["evt-large"]))[0]).toMatchObject({
          value: { event, duplicates: 1 },
          etag: 2,
        });
        expect((await port.events({ limit: 10 })).map(({ value }) => value.event)).toEqual([event]);
      });

      it("erases only the bodies of packets and events, small or large", async () => {
        await using fixture = await makeFixture();
        const { port } = fixture;
        const ids = [1, 2, 3].map(idOf);
        const texts = ["x", "é😀".repeat(43_000), "€".repeat(87_000)];
        for (const [i, text] of texts.entries()) await add(port, aNew({ id: ids[i] as string, fields: { text } }));
        await addEvent(port, "evt-small", { event: anEvent({ type: "t", data: { text: "x" } }) });
        await addEvent(port, "evt-large", { event: anEvent({ type: "t", data: { text: "😀é".repeat(174_000) } }) });

        for (const id of ids) {
          const { value, etag } = (await port.read("packet", [id]))[0] as Stored<"packet">;
          const erased = { ...value, packet: { ...value.packet, fields: {} } };
          expect(await port.write([{ kind: "packet", id, value: erased, etag, erases: value }])).toBe("written");
        }
        for (const id of ["evt-small", "evt-large"]) {
          const { value, etag } = (await port.read("event", [id]))[0] as Stored<"event">;
          const { event: _, ...kept } = value;
          const erased = { ...kept, erased: { at: noon, type: "t" } };
          const put: Put = { kind: "event", id, value: erased, etag, erases: value };
          expect(await port.write([put])).toBe("written");
          const later: Put = { ...put, value: { ...erased, erased: { at: noon + 1, type: "t" } } };
          expect(await port.write([later])).toBe("conflict");
        }

        const packets = await port.read("packet", ids);
        expect(packets.map((stored) => stored?.value.packet)).toEqual(
          ids.map((id) => aNew({ id, fields: {} }).record.packet),
        );
        const listed = (await port.packets({ limit: 10 })).items;
        expect(listed.map(({ packet }) => packet.fields)).toEqual([{}, {}, {}]);
        const events = await port.events({ type: "t", limit: 10 });
        // Both were accepted in the same microsecond, so either may be first.
        expect(events.map(({ key }) => key).sort()).toEqual(["evt-large", "evt-small"]);
        expect(events.map(({ value }) => value.event)).toEqual([undefined, undefined]);
        for (const id of ids) await advanceTo(port, id, "SENT");
      });

      it("succeeds without puts and entries and changes nothing", async () => {
        await using fixture = await makeFixture();
        const { port } = fixture;

        expect(await port.write([])).toBe("written");
        expect((await port.ledger({ limit: 10 })).items).toEqual([]);
      });
    });

    describe("packets", () => {
      it("pages through packets by recording time in either direction, each exactly once", async () => {
        await using fixture = await makeFixture();
        const { port } = fixture;
        for (let i = 0; i < 12; i++) await add(port, aNew({ id: idOf(i) }, noon + Math.floor(i / 3)));
        const inOrder = Array.from({ length: 12 }, (_, i) => idOf(i));

        const forward = await pages((after) => port.packets({ limit: 5, ...(after && { after }) }));
        const backward = await pages((after) => port.packets({ limit: 5, newestFirst: true, ...(after && { after }) }));

        expect(idsOf(forward).sort()).toEqual([...inOrder].sort());
        expect(forward.map(({ recordedAt }) => recordedAt)).toEqual(
          forward.map(({ recordedAt }) => recordedAt).toSorted(),
        );
        expect(idsOf(backward)).toEqual(idsOf(forward).reverse());
      });

      it("filters packets by connector, status and time window, excluding its end", async () => {
        await using fixture = await makeFixture();
        const { port } = fixture;
        for (let i = 0; i < 6; i++) {
          await add(port, aNew({ id: idOf(i), connector: i % 2 === 0 ? "Fake@v1" : "Other@v1" }, noon + i));
        }
        await advanceTo(port, idOf(2), "SENT");

        const found = async (query: object) => idsOf([...(await port.packets({ limit: 100, ...query })).items]);
        expect(await found({ connector: "Fake@v1" })).toEqual([idOf(0), idOf(2), idOf(4)]);
        expect(await found({ from: noon + 1, to: noon + 3 })).toEqual([idOf(1), idOf(2)]);
        expect(await found({ statuses: ["SENT"] })).toEqual([idOf(2)]);
        expect(await found({ statuses: ["SENT", "QUEUED"], connector: "Fake@v1", from: noon + 2 })).toEqual([
          idOf(2),
          idOf(4),
        ]);
        expect(await found({ from: noon + 3, to: noon + 3 })).toEqual([]);
        expect(await found({ connector: "Nobody@v1" })).toEqual([]);
      });

      it("pages through packets filtered by sheet, event, entity and case-insensitive text", async () => {
        await using fixture = await makeFixture();
        const { port } = fixture;
        for (let i = 0; i < 12; i++) {
          const names = { sheet: i % 2 === 0 ? "per_diem" : "telework", event: `evt-${i % 3}`, entity: `Badge ${i}` };
          await add(port, aNew({ id: idOf(i), ...names }, noon + i));
        }
        await advanceTo(port, idOf(7), "HELD");

        const found = async (query: Omit<PacketQuery, "limit">) =>
          idsOf(await pages((after) => port.packets({ limit: 2, ...query, ...(after && { after }) })));
        expect(await found({ sheet: "telework" })).toEqual([1, 3, 5, 7, 9, 11].map(idOf));
        expect(await found({ sheet: "telework", newestFirst: true })).toEqual([11, 9, 7, 5, 3, 1].map(idOf));
        expect(await found({ event: "evt-1" })).toEqual([1, 4, 7, 10].map(idOf));
        expect(await found({ entity: "Badge 1" })).toEqual([idOf(1)]);
        expect(await found({ text: "badge 1" })).toEqual([1, 10, 11].map(idOf));
        expect(await found({ text: "TELE", event: "evt-0", from: noon + 4 })).toEqual([9].map(idOf));
        expect(await found({ text: "%" })).toEqual([]);
        expect(await found({ statuses: ["HELD"], sheet: "telework" })).toEqual([idOf(7)]);
        expect(await found({ statuses: ["HELD"], sheet: "per_diem" })).toEqual([]);
      });

      it("lists held packets in either direction until they are released or closed", async () => {
        await using fixture = await makeFixture();
        const { port } = fixture;
        for (let i = 0; i < 8; i++) await add(port, aNew({ id: idOf(i) }, noon + i));
        for (const i of [1, 4, 6]) await advanceTo(port, idOf(i), "HELD");

        const held = async (query: object = {}) =>
          idsOf(
            await pages((after) => port.packets({ statuses: ["HELD"], limit: 2, ...query, ...(after && { after }) })),
          );
        expect(await held()).toEqual([1, 4, 6].map(idOf));
        expect(await held({ newestFirst: true })).toEqual([6, 4, 1].map(idOf));
        expect(await held({ from: noon + 2, to: noon + 6 })).toEqual([idOf(4)]);
        await advanceTo(port, idOf(4), "QUEUED");
        await advanceTo(port, idOf(6), "DISCARDED");
        expect(await held()).toEqual([idOf(1)]);
      });

      it("pages through a time window and stops at its end", async () => {
        await using fixture = await makeFixture();
        const { port } = fixture;
        for (let i = 0; i < 10; i++) await add(port, aNew({ id: idOf(i) }, noon + i));

        const found = await pages((after) =>
          port.packets({ from: noon + 2, to: noon + 8, limit: 2, ...(after && { after }) }),
        );

        expect(idsOf(found)).toEqual([2, 3, 4, 5, 6, 7].map(idOf));
      });

      it("lists QUEUED and RETRY packets recorded before a time, oldest first", async () => {
        await using fixture = await makeFixture();
        const { port } = fixture;
        const statuses = ["QUEUED", "RETRY", "HELD", "SENT", "UNCHANGED", "RETRY"] as const;
        for (const [i, status] of statuses.entries()) {
          await add(port, aNew({ id: idOf(i) }, noon + i));
          if (status !== "QUEUED") await advanceTo(port, idOf(i), status);
        }
        await add(port, aNew({ id: idOf(9), connector: "Other@v1" }, noon));

        const waiting = await pages((after) =>
          port.waiting("Fake@v1", { before: noon + 5, limit: 1, ...(after && { after }) }),
        );

        expect(idsOf(waiting)).toEqual([idOf(0), idOf(1)]);
      });

      it("lists packets marked as unsent until the mark is cleared", async () => {
        await using fixture = await makeFixture();
        const { port } = fixture;
        await add(port, aNew({ id: idOf(1) }, noon, { unsent: true }));
        await add(port, aNew({ id: idOf(2) }, noon));
        await add(port, aNew({ id: idOf(3), connector: "Other@v1" }, noon, { unsent: true }));

        const [found, ...more] = await port.unsent("Fake@v1", 10);
        expect(found).toMatchObject({ value: { packet: { id: idOf(1) } }, etag: 1 });
        expect(more).toEqual([]);
        if (!found) throw new Error("no unsent packet was found");
        const { unsent: _, ...sent } = found.value.progress;
        await port.write([putOf({ ...found.value, progress: sent }, 1)]);

        expect(await port.unsent("Fake@v1", 10)).toEqual([]);
        expect(await port.unsent("Other@v1", 10)).toHaveLength(1);
      });

      it("lists the places of a strict lane in order of acceptance, including held packets but not late ones", async () => {
        await using fixture = await makeFixture();
        const { port } = fixture;
        const strict = { order: "strict", lane: "Fake@v1#j" } as const;
        const versions = [
          { accepted: 50, sequence: 1, epoch: 1 },
          { accepted: 20 },
          { accepted: 90, sequence: 0 },
          { accepted: 10 },
          { accepted: 15, sequence: 7 },
        ];
        for (const [i, version] of versions.entries()) {
          await add(port, aNew({ id: idOf(i), ...strict, version: aVersion(version) }));
        }
        await add(port, aNew({ id: idOf(8), ...strict, lane: "Fake@v1#k", version: aVersion({ accepted: 0 }) }));
        await add(port, aNew({ id: idOf(9), lane: "Fake@v1#j", version: aVersion({ accepted: 0 }) }));
        await port.write([{ kind: "lane", id: "Fake@v1#j", value: { accepted: 1, sequences: {} }, etag: 0 }]);
        await advanceTo(port, idOf(3), "SENT");
        await advanceTo(port, idOf(1), "HELD");
        await advanceTo(port, idOf(4), "HELD", { late: true });

        const { source } = aVersion();
        expect(await port.lanePlaces("Fake@v1#j", 10)).toEqual([
          { id: idOf(1), accepted: 20, source },
          { id: idOf(0), accepted: 50, source, sequence: 1, epoch: 1 },
          { id: idOf(2), accepted: 90, source, sequence: 0 },
        ]);
        expect((await port.lanePlaces("Fake@v1#j", 1)).map(({ id }) => id)).toEqual([idOf(1)]);
        expect(await port.lanePlaces("Fake@v1#nobody", 1)).toEqual([]);

        await advanceTo(port, idOf(4), "DISCARDED");
        await advanceTo(port, idOf(0), "DISCARDED");
        expect((await port.lanePlaces("Fake@v1#j", 10)).map(({ id }) => id)).toEqual([idOf(1), idOf(2)]);
      });

      it("returns the earliest reservation of a strict connector until its event is expanded", async () => {
        await using fixture = await makeFixture();
        const { port } = fixture;
        const reserve = (key: string, accepted: number, reserves: string[]) =>
          addEvent(port, key, { accepted, reserves, status: "EXPANDING" });
        await reserve("evt-b", 20, ["Fake@v1", "Other@v1"]);
        await reserve("evt-a", 10, ["Fake@v1"]);

        expect(await port.reservation("Fake@v1")).toEqual({ event: "evt-a", accepted: 10 });
        expect(await port.reservation("Other@v1")).toEqual({ event: "evt-b", accepted: 20 });
        expect(await port.reservation("Nobody@v1")).toBeUndefined();

        const [stored] = await port.read("event", ["evt-a"]);
        const value = { ...(stored as Stored<"event">).value, status: "EXPANDED" } as const;
        await port.write([{ kind: "event", id: "evt-a", value, etag: 1 }]);
        expect(await port.reservation("Fake@v1")).toEqual({ event: "evt-b", accepted: 20 });
      });
    });

    describe("events", () => {
      it("lists events after a position in recording order, optionally by type", async () => {
        await using fixture = await makeFixture();
        const { port } = fixture;
        for (let i = 0; i < 7; i++) await addEvent(port, `evt-${i}`, { type: i % 2 === 0 ? "even" : "odd" });

        const all = await port.events({ limit: 100 });
        const even = await port.events({ type: "even", limit: 100 });
        const rest = await port.events({ limit: 2, after: all[3]?.position as string });

        expect(all.map(({ key }) => key)).toEqual([0, 1, 2, 3, 4, 5, 6].map((i) => `evt-${i}`));
        expect(even.map(({ key }) => key)).toEqual(["evt-0", "evt-2", "evt-4", "evt-6"]);
        expect(rest.map(({ key }) => key)).toEqual(["evt-4", "evt-5"]);
        expect(await port.events({ limit: 10, after: all[6]?.position as string })).toEqual([]);
        expect(await port.events({ type: "nobody", limit: 10 })).toEqual([]);
      });

      it("pages through events newest first, starting with the latest", async () => {
        await using fixture = await makeFixture();
        const { port } = fixture;
        for (let i = 0; i < 7; i++) await addEvent(port, `evt-${i}`, { type: i % 2 === 0 ? "even" : "odd" });

        const first = await port.events({ newestFirst: true, limit: 3 });
        const second = await port.events({ newestFirst: true, limit: 3, after: first[2]?.position as string });
        const even = await port.events({ newestFirst: true, type: "even", limit: 2 });

        expect(first.map(({ key }) => key)).toEqual(["evt-6", "evt-5", "evt-4"]);
        expect(second.map(({ key }) => key)).toEqual(["evt-3", "evt-2", "evt-1"]);
        expect(even.map(({ key }) => key)).toEqual(["evt-6", "evt-4"]);
      });

      it("pages through events accepted in a time window, excluding its end", async () => {
        await using fixture = await makeFixture();
        const { port } = fixture;
        for (let i = 0; i < 6; i++) await addEvent(port, `evt-${i}`, { accepted: noon * 1_000 + i });
        const [from, to] = [noon * 1_000 + 1, noon * 1_000 + 4];

        const inside = await port.events({ from, to, limit: 10 });
        const rest = await port.events({ from, to, limit: 10, after: inside[0]?.position as string });

        expect(inside.map(({ key }) => key)).toEqual(["evt-1", "evt-2", "evt-3"]);
        expect(rest.map(({ key }) => key)).toEqual(["evt-2", "evt-3"]);
        expect(await port.events({ from: to, to: from, limit: 10 })).toEqual([]);
        expect(port.eventsSettleMs).toBeGreaterThanOrEqual(0);
      });

      it("never places a new event before one that was already returned", async () => {
        await using fixture = await makeFixture();
        const { port } = fixture;
        const seen: string[] = [];
        let position: string | undefined;
        const read = async () => {
          for (const { key, position: at } of await port.events({ limit: 3, ...(position && { after: position }) })) {
            seen.push(key);
            position = at;
          }
        };

        const writing = Promise.all(Array.from({ length: 30 }, (_, i) => addEvent(port, `evt-${i}`)));
        for (let i = 0; i < 10; i++) await read();
        await writing;
        while (seen.length < 30) await read();

        expect(new Set(seen).size).toBe(30);
      });

      it("lists events with unsent packets, oldest first, until the mark is cleared", async () => {
        await using fixture = await makeFixture();
        const { port } = fixture;
        await addEvent(port, "evt-late", { accepted: 300, unsent: true });
        await addEvent(port, "evt-early", { accepted: 100, unsent: true });
        await addEvent(port, "evt-done", { accepted: 50 });

        const keys = async (query: Parameters<StorePort["unsentEvents"]>[0]) =>
          (await port.unsentEvents(query)).items.map(({ key }) => key);
        expect(await keys({ to: 301, limit: 10 })).toEqual(["evt-early", "evt-late"]);
        expect(await keys({ to: 300, limit: 10 })).toEqual(["evt-early"]);
        expect(await keys({ from: 300, to: 301, limit: 10 })).toEqual(["evt-late"]);
        const all = await pages((after) => port.unsentEvents({ to: 301, limit: 1, ...(after && { after }) }));
        expect(all.map(({ key }) => key)).toEqual(["evt-early", "evt-late"]);
        const [stored] = await port.read("event", ["evt-early"]);
        if (!stored) throw new Error("evt-early is not recorded");
        const { unsent: _, ...sent } = stored.value;
        await port.write([{ kind: "event", id: "evt-early", value: sent, etag: 1 }]);

        expect(await keys({ to: 301, limit: 10 })).toEqual(["evt-late"]);
      });
    });

    describe("ledger", () => {
      it("returns a chain in order, or no entries for an unknown chain", async () => {
        await using fixture = await makeFixture();
        const { port } = fixture;
        const chain = await aChainOf(port, idOf(1), ["RETRY", "QUEUED", "SENT"]);

        expect(await port.chain(idOf(1))).toEqual(chain);
        expect(await port.chain("pkt-nobody")).toEqual([]);
        expect(await port.chain("evt-nobody")).toEqual([]);
      });

      it("pages through all entries chain by chain, each exactly once", async () => {
        await using fixture = await makeFixture();
        const { port } = fixture;
        for (let i = 0; i < 5; i++) await aChainOf(port, idOf(i), ["RETRY", "SENT"]);
        await addEvent(port, "evt-1");

        const all = await pages((after) => port.ledger({ limit: 4, ...(after && { after }) }));

        expect(all).toHaveLength(16);
        const changes = all.filter(({ chain }, i) => chain !== all[i - 1]?.chain);
        expect(changes).toHaveLength(6);
        for (const [, own] of Map.groupBy(all, ({ chain }) => chain)) {
          expect(own.map(({ seq }) => seq)).toEqual(own.map((_, i) => i + 1));
        }
      });
    });

    it("counts events and packets by status, and the duplicates", async () => {
      await using fixture = await makeFixture();
      const { port } = fixture;
      for (const [i, status] of (
        ["QUEUED", "RETRY", "HELD", "SENT", "UNCHANGED", "SUPERSEDED", "SENT"] as const
      ).entries()) {
        await add(port, aNew({ id: idOf(i) }));
        if (status !== "QUEUED") await advanceTo(port, idOf(i), status);
      }
      await addEvent(port, "evt-1", { duplicates: 3 });
      await addEvent(port, "evt-2", { status: "UNMATCHED" });
      await addEvent(port, "evt-3", { status: "QUARANTINED", duplicates: 1 });

      expect(await port.tally()).toEqual({
        events: { EXPANDING: 0, EXPANDED: 1, UNMATCHED: 1, QUARANTINED: 1, NOTED: 0, duplicates: 4 },
        packets: { QUEUED: 1, RETRY: 1, HELD: 1, SENT: 2, UNCHANGED: 1, SUPERSEDED: 1, DISCARDED: 0 },
      });
    });

    it("keeps records, chains and etags across a restart", async (context) => {
      await using fixture = await makeFixture();
      if (!fixture.reopen) return context.skip();
      const chain = await aChainOf(fixture.port, idOf(1), ["RETRY", "SENT"]);
      await addEvent(fixture.port, "evt-1");
      const before = await fixture.port.tally();

      await fixture.reopen();

      expect(await fixture.port.tally()).toEqual(before);
      expect(await fixture.port.chain(idOf(1))).toEqual(chain);
      expect((await fixture.port.read("packet", [idOf(1)]))[0]?.etag).toBe(3);
    });
  });
}

function idOf(i: number): string {
  return `pkt-aaaaaaaaaaaaaaa${"abcdefghijklmnopqrstuvwxyz234567"[i % 32]}${i >= 32 ? `${i}` : ""}`;
}

function idsOf(records: readonly PacketRecord[]): string[] {
  return records.map(({ packet }) => packet.id);
}

function aNew(packet: Partial<Packet> = {}, at = noon, change: Partial<PacketRecord["progress"]> = {}): Transition {
  return createPacketRecord(aPacket(packet), at, { status: "QUEUED", facts: {}, progress: change });
}

function putOf(record: PacketRecord, etag = 0): Put {
  return { kind: "packet", id: record.packet.id, value: record, etag };
}

async function add(port: StorePort, { record, entry }: Transition): Promise<void> {
  expect(await port.write([putOf(record)], [entry])).toBe("written");
}

async function advanceTo(
  port: StorePort,
  id: string,
  status: Status,
  progress: Partial<Progress> = {},
): Promise<LedgerEntry> {
  const [stored] = await port.read("packet", [id]);
  if (!stored) throw new Error(`there is no ${id}`);
  const { record, entry } = transitionPacket(stored.value, noon, { status, facts: {}, progress });
  expect(await port.write([putOf(record, stored.etag)], [entry])).toBe("written");
  return entry;
}

async function aChainOf(port: StorePort, id: string, then: readonly Status[]): Promise<LedgerEntry[]> {
  const first = aNew({ id });
  await add(port, first);
  const entries = [first.entry];
  for (const status of then) entries.push(await advanceTo(port, id, status));
  return entries;
}

async function addEvent(
  port: StorePort,
  key: string,
  given: Partial<EventRecord> & { type?: string } = {},
): Promise<void> {
  const { type = "t", ...overrides } = given;
  const status = overrides.status ?? "EXPANDED";
  const entry = append(key, undefined, { at: noon, step: status, facts: {} });
  const value: EventRecord = {
    status,
    accepted: noon * 1_000,
    event: anEvent({ type }),
    sheets: [],
    packets: 0,
    message: `msg-${key}`,
    duplicates: 0,
    step: status,
    tail: tailOf(entry),
    ...overrides,
  };
  expect(await port.write([{ kind: "event", id: key, value, etag: 0 }], [entry])).toBe("written");
}

function puts(): { [K in Put["kind"]]: Extract<Put, { kind: K }> } {
  const { record } = aNew();
  const tail = { seq: 1, hash: "0".repeat(64) };
  const event = {
    status: "UNMATCHED",
    accepted: 1,
    sheets: [],
    packets: 0,
    message: "m",
    duplicates: 0,
    step: "UNMATCHED",
    tail,
  } as const;
  const document = { source_event: "t", consistency_window: "60s", direction: "outbound", targets: {} } as const;
  return {
    packet: { kind: "packet", id: record.packet.id, value: record, etag: 0 },
    event: { kind: "event", id: "evt-1", value: event, etag: 0 },
    cursor: { kind: "cursor", id: "same", value: { position: "1" }, etag: 0 },
    seal: { kind: "seal", id: "same", value: { number: 1, hash: "0".repeat(64) }, etag: 0 },
    shadow: { kind: "shadow", id: "same", value: { fields: { a: { version: aVersion(), hash: "x" } } }, etag: 0 },
    health: { kind: "health", id: "same", value: { status: "UP", since: 1, strikes: [], paused: false }, etag: 0 },
    sheet: { kind: "sheet", id: "same", value: { name: "s", document }, etag: 0 },
    erasing: { kind: "erasing", id: "same", value: { at: 1, after: {}, left: { packet: [], event: [] } }, etag: 0 },
    memory: { kind: "memory", id: "same", value: { value: 7 }, etag: 0 },
    connectors: { kind: "connectors", id: "same", value: { ids: ["Fake@v1"] }, etag: 0 },
    sequence: { kind: "sequence", id: "same", value: { restarts: [1] }, etag: 0 },
    lane: { kind: "lane", id: "same", value: { accepted: 1, sequences: { s: { sequence: 2 } } }, etag: 0 },
    job: { kind: "job", id: "same", value: aJob("same"), etag: 0 },
  };
}

function aJob(id: string, status: Job["status"] = "RUNNING"): Job {
  const request = { from: 0, to: 1 };
  return { id, kind: "replay", request, actor: "jo", status, startedAt: 1, looked: 0, made: 0, failures: 0 };
}

async function pages<T>(read: (after?: string) => Promise<{ items: readonly T[]; next?: string }>): Promise<T[]> {
  const all: T[] = [];
  let after: string | undefined;
  do {
    const page = await read(after);
    all.push(...page.items);
    after = page.next;
  } while (after !== undefined);
  return all;
}
