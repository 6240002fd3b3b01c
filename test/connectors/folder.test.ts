import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type Folder, FolderFault, writeWhole } from "../../connectors/protocols/folder.ts";
import { ftpDoor } from "../../connectors/protocols/ftp.ts";
import { localFolder } from "../../connectors/protocols/local-folder.ts";
import { sftpDoor } from "../../connectors/protocols/sftp.ts";
import { type Door, visit } from "../../connectors/protocols/visit.ts";
import { selfSigned } from "../support/certificates.ts";
import { has, sshServer, vsftpServer } from "../support/debian-servers.ts";
import { ftpServer, username as ftpUser } from "../support/ftp-server.ts";
import { home } from "../support/home.ts";
import { sftpServer, username } from "../support/sftp-server.ts";

/** A way into a folder of this machine, whoever serves it. */
interface Served extends AsyncDisposable {
  use<T>(work: (folder: Folder) => Promise<T>): Promise<T>;
}

const password = "open sesame";

function through(door: Door, server: AsyncDisposable): Served {
  return {
    use: (work) => visit(door, new AbortController().signal, work),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() as Promise<void>,
  };
}

async function overFtp(root: string, kind: "explicit" | "implicit"): Promise<Served> {
  const certificate = await selfSigned("localhost");
  const server = await ftpServer(root, { kind, certificate });
  const place = { host: "localhost", port: server.port, path: "/in", tls: kind, ca: certificate.cert };
  return through(ftpDoor(place, { username: ftpUser, password }), server);
}

/** Every way there is, each over a folder that really is on this disk. */
const ways: readonly [name: string, serve: (root: string) => Promise<Served>, isHere?: boolean][] = [
  [
    "a folder of this machine",
    async (root) => ({
      use: (work) => work(localFolder(join(root, "in"))),
      async [Symbol.asyncDispose]() {},
    }),
  ],
  [
    "SFTP (ssh2's server)",
    async (root) => {
      const server = await sftpServer(root);
      const place = { host: "127.0.0.1", port: server.port, path: "/in", hostKeys: [server.hostKey] };
      return through(sftpDoor(place, { username, password }), server);
    },
  ],
  [
    "SFTP (OpenSSH)",
    async (root) => {
      const server = await sshServer();
      const place = { host: "127.0.0.1", port: server.port, path: join(root, "in"), hostKeys: [server.hostKey] };
      return through(sftpDoor(place, { username: server.username, privateKey: server.privateKey }), server);
    },
    has("sshd"),
  ],
  ["FTPS, explicit (ftp-srv)", (root) => overFtp(root, "explicit")],
  ["FTPS, implicit (ftp-srv)", (root) => overFtp(root, "implicit")],
  [
    "FTP in the clear (ftp-srv)",
    async (root) => {
      const server = await ftpServer(root);
      const place = { host: "127.0.0.1", port: server.port, path: "/in", tls: "none" } as const;
      return through(ftpDoor(place, { username: ftpUser, password }), server);
    },
  ],
  [
    "FTPS (vsftpd, which wants TLS sessions to be resumed)",
    async (root) => {
      const certificate = await selfSigned("localhost");
      const server = await vsftpServer(root, certificate);
      const place = {
        host: "localhost",
        port: server.port,
        path: "/in",
        tls: "explicit",
        ca: certificate.cert,
      } as const;
      return through(ftpDoor(place, { username: "anonymous", password: "any" }), server);
    },
    has("vsftpd"),
  ],
];

describe.each(ways)("a folder over %s", (name, serve, isHere = true) => {
  const inbox = async (test: (served: Served, path: string) => Promise<void>) => {
    using root = home();
    const path = join(root.path, "in");
    mkdirSync(path);
    await using served = await serve(root.path);
    await test(served, path);
  };
  const promise = it.skipIf(!isHere);
  if (!isHere) console.log(`passed over: ${name}; install openssh-server and vsftpd, and for the latter be root`);

  promise("takes a file whole, and shows it under its name at last", () =>
    inbox(async (served, path) => {
      const bytes = Buffer.alloc(200_000, "0123456789");
      let seenBefore: string[] = [];

      await served.use((folder) =>
        writeWhole(folder, "a.csv", bytes, () => {
          seenBefore = readdirSync(path);
        }),
      );

      expect(seenBefore).toEqual([expect.stringMatching(/^\.a\.csv\.\w{8}\.part$/)]);
      expect(readdirSync(path)).toEqual(["a.csv"]);
      expect(readFileSync(join(path, "a.csv")).equals(bytes)).toBe(true);
    }),
  );

  promise("tells a file's size, reads it, lists it, moves it away and removes it", () =>
    inbox(async (served, path) => {
      writeFileSync(join(path, "a.txt"), "twelve bytes");
      mkdirSync(join(path, "done"));
      chmodSync(join(path, "done"), 0o777);

      await served.use(async (folder) => {
        expect(await folder.size("a.txt")).toBe(12);
        expect(await folder.size("b.txt")).toBeUndefined();
        expect(String(await folder.read("a.txt", 12))).toBe("twelve bytes");
        expect(await folder.list()).toMatchObject([{ name: "a.txt", bytes: 12 }]);
        await folder.rename("a.txt", "done/a.txt");
      });
      expect(readdirSync(join(path, "done"))).toEqual(["a.txt"]);
      await served.use(async (folder) => {
        await folder.remove("done/a.txt");
        await folder.remove("done/a.txt");
      });
      expect(readdirSync(join(path, "done"))).toEqual([]);
    }),
  );

  promise("does not read a file that is larger than it may be", () =>
    inbox(async (served, path) => {
      writeFileSync(join(path, "a.txt"), "twelve bytes");

      await expect(served.use((folder) => folder.read("a.txt", 11))).rejects.toThrow(FolderFault);
    }),
  );

  promise("leaves nothing half written behind where it breaks off", () =>
    inbox(async (served) => {
      const failing = served.use((folder) =>
        writeWhole(folder, "a.csv", Buffer.from("x"), () => {
          throw new FolderFault("it breaks off here", "answered");
        }),
      );

      await expect(failing).rejects.toThrow("it breaks off here");
      expect(await served.use((folder) => folder.list())).toEqual([]);
    }),
  );
});
