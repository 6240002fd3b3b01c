import { chmodSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "vitest";
import { type ConnectionSource, withConnection } from "../../connectors/protocols/files/connection-pool.ts";
import type { Folder } from "../../connectors/protocols/files/folder.ts";
import { ftpSource } from "../../connectors/protocols/files/ftps.ts";
import { localFolder } from "../../connectors/protocols/files/local-folder.ts";
import { sftpSource } from "../../connectors/protocols/files/sftp.ts";
import { selfSigned } from "./certificates.ts";
import { missing, type Program, sshServer, vsftpServer } from "./debian-servers.ts";
import { ftpServer, username as ftpUser } from "./ftp-server.ts";
import { home } from "./home.ts";
import { sftpServer, username } from "./sftp-server.ts";
import { skipTest } from "./skipped-tests.ts";

/** A way into a folder of this machine, whoever serves it. */
export interface Served extends AsyncDisposable {
  use<T>(work: (folder: Folder) => Promise<T>): Promise<T>;
}

const password = "open sesame";

function through(door: ConnectionSource, server: AsyncDisposable): Served {
  return {
    use: (work) => withConnection(door, new AbortController().signal, work),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() as Promise<void>,
  };
}

async function overFtp(root: string, kind: "explicit" | "implicit"): Promise<Served> {
  const certificate = await selfSigned("localhost");
  const server = await ftpServer(root, { kind, certificate });
  const place = { host: "localhost", port: server.port, path: "/in", tls: kind, ca: certificate.cert };
  return through(ftpSource(place, { username: ftpUser, password }), server);
}

/** Every way there is, each over a folder that really is on this disk. */
const ways: readonly [name: string, serve: (root: string) => Promise<Served>, needs?: Program][] = [
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
      return through(sftpSource(place, { username, password }), server);
    },
  ],
  [
    "SFTP (OpenSSH)",
    async (root) => {
      const server = await sshServer();
      const place = { host: "127.0.0.1", port: server.port, path: join(root, "in"), hostKeys: [server.hostKey] };
      return through(sftpSource(place, { username: server.username, privateKey: server.privateKey }), server);
    },
    "sshd",
  ],
  ["FTPS, explicit (ftp-srv)", (root) => overFtp(root, "explicit")],
  ["FTPS, implicit (ftp-srv)", (root) => overFtp(root, "implicit")],
  [
    "FTP in the clear (ftp-srv)",
    async (root) => {
      const server = await ftpServer(root);
      const place = { host: "127.0.0.1", port: server.port, path: "/in", tls: "none" } as const;
      return through(ftpSource(place, { username: ftpUser, password }), server);
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
      return through(ftpSource(place, { username: "anonymous", password: "any" }), server);
    },
    "vsftpd",
  ],
];

/** Runs a promise in a folder on this disk, `in`, and through the way into it that is being tried. */
type Promised = (what: string, test: (served: Served, path: string) => Promise<void>) => void;

/** Runs promises over every way into a folder there is, and over servers of Debian's where they are installed. */
export function onEachFolder(what: string, promises: (promise: Promised) => void): void {
  for (const [name, serve, program] of ways) {
    const why = program && missing(program);
    if (why) {
      skipTest(`${what} over ${name}`, why);
      continue;
    }
    describe(`${what} over ${name}`, () => {
      promises((promise, run) =>
        test(promise, async () => {
          using root = home();
          const path = join(root.path, "in");
          mkdirSync(path);
          await using served = await serve(root.path);
          await run(served, path);
        }),
      );
    });
  }
}

/** A folder below one, that servers which are other users may write to as well. */
export function folderIn(path: string, name: string): string {
  const below = join(path, name);
  mkdirSync(below);
  chmodSync(below, 0o777);
  return below;
}
