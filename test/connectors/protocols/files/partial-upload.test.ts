import { hash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";
import type { Packet } from "../../../../bridge/model/packet.ts";
import { connector as csvDrop } from "../../../../connectors/csv-drop.ts";
import { connector as ftpFlat } from "../../../../connectors/ftp-flat.ts";
import { aMemory, aTry } from "../../../support/a-try.ts";
import { aPacket } from "../../../support/builders.ts";
import { type Watched, watchFolder } from "../../../support/folder-watch.ts";
import { ftpServer } from "../../../support/ftp-server.ts";
import { home } from "../../../support/home.ts";
import { proxyTo } from "../../../support/proxy.ts";
import { sftpServer, username } from "../../../support/sftp-server.ts";

const password = "open sesame";
const files = 200;
const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 1e9));

/** mulberry32 */
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
  // A few KB, so that there is something to break off in the middle of.
  return aPacket({ id, entity: `E-${i}`, fields: { note: `${i}:`.padEnd(6_000, "x") } });
}

const isVisible = (name: string) => !name.startsWith(".");

/** Files that were seen with something else in them than they have at the end, or than their name says. */
function faultsIn(
  folder: string,
  { seen }: Watched,
  fault: (name: string, content: string) => string | undefined,
): string[] {
  return readdirSync(folder)
    .filter(isVisible)
    .flatMap((name) => {
      const contents = seen[name] ?? [];
      const last = hash("sha256", readFileSync(join(folder, name)));
      const changed =
        contents.length === 1 && contents[0] === last ? [] : [`${name}: seen with ${contents.length} contents`];
      return [...changed, ...(fault(name, last) ?? [])];
    });
}

/** A CSV file's name says what is in it. */
const csvFault = (name: string, content: string) =>
  name.includes(content.slice(0, 16)) ? undefined : `${name}: not whole`;

/** Packets in batches of up to ten, those that were not delivered again in others, as the lanes do it. */
async function sendAll(tryAll: (packets: Packet[]) => Promise<readonly { kind: string }[]>): Promise<number> {
  let open = Array.from({ length: files }, (_, i) => packetOf(i));
  let tries = 0;
  while (open.length > 0) {
    if (++tries > 5_000) throw new Error(`it does not come to rest; ${open.length} are open`);
    // One at a time first, so that there are as many files as packets; what failed goes in company.
    const batch = open.slice(0, tries % 3 === 0 ? 4 : 1);
    const outcomes = await tryAll(batch);
    const failed = batch.filter((_, i) => outcomes[i]?.kind !== "delivered");
    open = [...open.slice(batch.length), ...failed];
  }
  return tries;
}

describe(`nobody ever sees half a file (SEED=${seed})`, () => {
  it("of CSV in a folder of this machine", async () => {
    using folder = home();
    const context = aTry(csvDrop, { config: { to: pathToFileURL(folder.path).href, columns: ["note"] } });
    const watching = watchFolder(folder.path);

    await sendAll((packets) => csvDrop.sendBatch?.(packets, context) ?? Promise.resolve([]));

    const watched = await watching.stop();
    console.log(`folder: ${watched.looks} looks`);
    expect(faultsIn(folder.path, watched, csvFault)).toEqual([]);
    expect(rowsIn(folder.path)).toEqual({ packets: files, rows: files, unlike: 0 });
  });

  it("of CSV over SFTP, though connections break at any byte", { timeout: 120_000 }, async () => {
    using root = home();
    await using server = await sftpServer(root.path);
    const random = chance(seed);
    await using proxy = await proxyTo(server.port, { cutAfter: () => Math.floor(random() * 40_000) });
    const config = { to: `sftp://127.0.0.1:${proxy.port}/`, hostKeys: [server.hostKey], columns: ["note"] };
    const context = aTry(csvDrop, { config, secret: { username, password } });
    const watching = watchFolder(root.path);

    const tries = await sendAll((packets) => csvDrop.sendBatch?.(packets, context) ?? Promise.resolve([]));

    const watched = await watching.stop();
    const rows = rowsIn(root.path);
    console.log(
      `SFTP: ${tries} tries, ${proxy.cuts} cuts, ${watched.looks} looks, ${rows.rows - rows.packets} repeated rows`,
    );
    expect(faultsIn(root.path, watched, csvFault)).toEqual([]);
    expect(proxy.cuts).toBeGreaterThan(50);
    expect(rows).toMatchObject({ packets: files, unlike: 0 });
  });

  it("of numbered files over FTP, though control and data connections break at any byte", {
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
    const whole = (name: string) => readFileSync(join(folder, name)).length === 7 + 6_004;
    const watching = watchFolder(folder);

    let tries = 0;
    for (let i = 0; i < files; i++) {
      const context = () => aTry(ftpFlat, { config, secret: { username, password }, memory });
      // Strict: the next one waits until this one is there.
      while ((await ftpFlat.send(packetOf(i), context())).kind !== "delivered") expect(++tries).toBeLessThan(2_000);
    }

    const watched = await watching.stop();
    console.log(`FTP: ${files + tries} tries, ${proxy.cuts} cuts, ${watched.looks} looks`);
    const names = readdirSync(folder).filter(isVisible).sort();
    expect(faultsIn(folder, watched, (name) => (whole(name) ? undefined : `${name}: not whole`))).toEqual([]);
    expect(proxy.cuts).toBeGreaterThan(30);
    expect(names).toEqual(Array.from({ length: files }, (_, i) => `HMS${String(i + 1).padStart(6, "0")}.DAT`));
    const notes = names.map((name) => readFileSync(join(folder, name), "utf8").split("\n")[1]?.split(":")[0]);
    expect(notes).toEqual(Array.from({ length: files }, (_, i) => String(i)));
  });
});

/** How many packets the files of a folder hold, in how many rows, and how many of these say another thing of a packet. */
function rowsIn(folder: string): { packets: number; rows: number; unlike: number } {
  const rows = readdirSync(folder)
    .filter(isVisible)
    .flatMap((name) => readFileSync(join(folder, name), "utf8").split("\r\n").slice(1, -1));
  const byPacket = Map.groupBy(rows, (row) => row.split(",")[0]);
  const unlike = [...byPacket.values()].filter((same) => new Set(same).size > 1).length;
  return { packets: byPacket.size, rows: rows.length, unlike };
}
