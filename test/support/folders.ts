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

/** Access to a local folder, directly or through a server. */
export interface Served extends AsyncDisposable {
  use<T>(work: (folder: Folder) => Promise<T>): Promise<T>;
}

const password = "open sesame";

function through(source: ConnectionSource, server: AsyncDisposable): Served {
  return {
    use: (work) => withConnection(source, new AbortController().signal, work),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() as Promise<void>,
  };
}

async function overFtp(root: string, kind: "explicit" | "implicit"): Promise<Served> {
  const certificate = await selfSigned("localhost");
  const server = await ftpServer(root, { kind, certificate });
  const place = { host: "localhost", port: server.port, path: "/in", tls: kind, ca: certificate.cert };
  return through(ftpSource(place, { username: ftpUser, password }), server);
}

/** Every kind of folder the connectors support, each backed by a real folder on this machine. */
const kinds: readonly [name: string, serve: (root: string) => Promise<Served>, needs?: Program][] = [
  [
    "a local folder",
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
    "plaintext FTP (ftp-srv)",
    async (root) => {
      const server = await ftpServer(root);
      const place = { host: "127.0.0.1", port: server.port, path: "/in", tls: "none" } as const;
      return through(ftpSource(place, { username: ftpUser, password }), server);
    },
  ],
  [
    "FTPS (vsftpd, which requires TLS session resumption)",
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

/** Declares a test that gets access to a folder, and the folder's path on this machine. */
type DeclareTest = (title: string, test: (served: Served, path: string) => Promise<void>) => void;

/** Declares tests for every kind of folder. Debian's servers are skipped if they are not installed. */
export function onEachFolder(what: string, declare: (test: DeclareTest) => void): void {
  for (const [name, serve, program] of kinds) {
    const reason = program && missing(program);
    if (reason) {
      skipTest(`${what} over ${name}`, reason);
      continue;
    }
    describe(`${what} over ${name}`, () => {
      declare((title, run) =>
        test(title, async () => {
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

/** Creates a subfolder to which servers of other users can write, too. */
export function folderIn(path: string, name: string): string {
  const subfolder = join(path, name);
  mkdirSync(subfolder);
  chmodSync(subfolder, 0o777);
  return subfolder;
}
