import { hash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";
import type { Packet } from "../../../../bridge/model/packet.ts";
import { connector as csvDrop } from "../../../../connectors/csv-drop.ts";
import { connector as ftpFlat } from "../../../../connectors/ftp-flat.ts";
import { aMemory, attemptContext } from "../../../support/attempt-context.ts";
import { aPacket } from "../../../support/builders.ts";
import { type Watched, watchFolder } from "../../../support/folder-watch.ts";
import { ftpServer } from "../../../support/ftp-server.ts";
import { home } from "../../../support/home.ts";
import { proxyTo } from "../../../support/proxy.ts";
import { sftpServer, username } from "../../../support/sftp-server.ts";

const password = "open sesame";
const files = 200;
const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 1e9));

/** Returns a seeded random generator (mulberry32) for numbers from 0 to below 1. */
function chance(state: number): () => number {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

function packetOf(i: number): Packet {
  const id = `pkt-${String(i).padStart(16, "0")}`;
  // A few KB, so that a connection can break in the middle of the file.
  return aPacket({ id, entity: `E-${i}`, fields: { note: `${i}:`.padEnd(6_000, "x") } });
}

const isVisible = (name: string) => !name.startsWith(".");

/**
 * Lists the visible files that had more than one content while they were watched, or that are incomplete.
 *
 * @param isComplete called with a file's name and the SHA-256 of its content, in hexadecimal
 */
function partialFiles(
  folder: string,
  { seen }: Watched,
  isComplete: (name: string, content: string) => boolean,
): string[] {
  return readdirSync(folder)
    .filter(isVisible)
    .flatMap((name) => {
      const contents = seen[name] ?? [];
      const last = hash("sha256", readFileSync(join(folder, name)));
      const hasChanged = contents.length !== 1 || contents[0] !== last;
      return [
        ...(hasChanged ? [`${name}: seen with ${contents.length} contents`] : []),
        ...(isComplete(name, last) ? [] : [`${name}: incomplete`]),
      ];
    });
}

/** Checks a CSV file against the hash in its name. */
const isCompleteCsv = (name: string, content: string) => name.includes(content.slice(0, 16));

/** Sends all packets in batches of one or four and repeats failed ones in later batches. Returns the number of batches. */
async function sendAll(send: (packets: Packet[]) => Promise<readonly { kind: string }[]>): Promise<number> {
  let open = Array.from({ length: files }, (_, i) => packetOf(i));
  let attempts = 0;
  while (open.length > 0) {
    if (++attempts > 5_000) throw new Error(`sending does not finish; ${open.length} packets are open`);
    // Most batches hold one packet, so most packets get their own file; every third batch holds four.
    const batch = open.slice(0, attempts % 3 === 0 ? 4 : 1);
    const outcomes = await send(batch);
    const failed = batch.filter((_, i) => outcomes[i]?.kind !== "delivered");
    open = [...open.slice(batch.length), ...failed];
  }
  return attempts;
}

describe(`partial uploads (SEED=${seed})`, () => {
  it("a reader never sees part of a CSV file in a local folder", async () => {
    using folder = home();
    const context = attemptContext(csvDrop, { config: { to: pathToFileURL(folder.path).href, columns: ["note"] } });
    const watching = watchFolder(folder.path);

    await sendAll((packets) => csvDrop.sendBatch?.(packets, context) ?? Promise.resolve([]));

    const watched = await watching.stop();
    console.log(`folder: ${watched.looks} looks`);
    expect(partialFiles(folder.path, watched, isCompleteCsv)).toEqual([]);
    expect(rowsIn(folder.path)).toEqual({ packets: files, rows: files, conflicting: 0 });
  });

  it("a reader never sees part of a CSV file over SFTP if connections break at any byte", {
    timeout: 120_000,
  }, async () => {
    using root = home();
    await using server = await sftpServer(root.path);
    const random = chance(seed);
    await using proxy = await proxyTo(server.port, { cutAfter: () => Math.floor(random() * 40_000) });
    const config = { to: `sftp://127.0.0.1:${proxy.port}/`, hostKeys: [server.hostKey], columns: ["note"] };
    const context = attemptContext(csvDrop, { config, secret: { username, password } });
    const watching = watchFolder(root.path);

    const attempts = await sendAll((packets) => csvDrop.sendBatch?.(packets, context) ?? Promise.resolve([]));

    const watched = await watching.stop();
    const rows = rowsIn(root.path);
    console.log(
      `SFTP: ${attempts} attempts, ${proxy.cuts} cuts, ${watched.looks} looks, ${rows.rows - rows.packets} repeated rows`,
    );
    expect(partialFiles(root.path, watched, isCompleteCsv)).toEqual([]);
    expect(proxy.cuts).toBeGreaterThan(50);
    expect(rows).toMatchObject({ packets: files, conflicting: 0 });
  });

  it("a reader never sees part of a numbered file over FTP if connections break at any byte", {
    timeout: 120_000,
  }, async () => {
    using root = home();
    mkdirSync(join(root.path, "in"));
    await using server = await ftpServer(root.path);
    const random = chance(seed + 1);
    await using proxy = await proxyTo(server.port, {
      passive: true,
      cutAfter: () => (random() < 0.3 ? Math.floor(random() * 9_000) : undefined),
    });
    const layout = {
      lineEnd: "lf",
      lines: {
        form: "fixed",
        header: [{ is: "number", width: 6, number: {} }],
        detail: [
          { field: "note", width: 6_000 },
          { text: "END", width: 3 },
        ],
      },
    };
    const config = { to: `ftp://127.0.0.1:${proxy.port}/in`, insecure: true, layout };
    const memory = aMemory();
    const folder = join(root.path, "in");
    const isComplete = (name: string) => readFileSync(join(folder, name)).length === 7 + 6_004;
    const watching = watchFolder(folder);

    let retries = 0;
    for (let i = 0; i < files; i++) {
      const context = () => attemptContext(ftpFlat, { config, secret: { username, password }, memory });
      // Strict order: the next packet waits until this one is delivered.
      while ((await ftpFlat.send(packetOf(i), context())).kind !== "delivered") expect(++retries).toBeLessThan(2_000);
    }

    const watched = await watching.stop();
    console.log(`FTP: ${files + retries} attempts, ${proxy.cuts} cuts, ${watched.looks} looks`);
    const names = readdirSync(folder).filter(isVisible).sort();
    expect(partialFiles(folder, watched, isComplete)).toEqual([]);
    expect(proxy.cuts).toBeGreaterThan(30);
    expect(names).toEqual(Array.from({ length: files }, (_, i) => `HMS${String(i + 1).padStart(6, "0")}.DAT`));
    const notes = names.map((name) => readFileSync(join(folder, name), "utf8").split("\n")[1]?.split(":")[0]);
    expect(notes).toEqual(Array.from({ length: files }, (_, i) => String(i)));
  });
});

/** Counts the packets and rows in the files of a folder, and the packets whose rows differ. */
function rowsIn(folder: string): { packets: number; rows: number; conflicting: number } {
  const rows = readdirSync(folder)
    .filter(isVisible)
    .flatMap((name) => readFileSync(join(folder, name), "utf8").split("\r\n").slice(1, -1));
  const byPacket = Map.groupBy(rows, (row) => row.split(",")[0]);
  const conflicting = [...byPacket.values()].filter((same) => new Set(same).size > 1).length;
  return { packets: byPacket.size, rows: rows.length, conflicting };
}
