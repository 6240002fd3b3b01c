import { createHash, generateKeyPairSync } from "node:crypto";
import fs from "node:fs";
import net, { type AddressInfo } from "node:net";
import { join, normalize } from "node:path";
import ssh2, { type Attributes, type Connection, type SFTPWrapper } from "ssh2";

const { OPEN_MODE, STATUS_CODE } = ssh2.utils.sftp;

/** Steps of a session at which a test can make the server fail. */
export type SftpStep =
  | "greeting"
  | "login"
  | "session"
  | "subsystem"
  | "stat"
  | "open"
  | "read"
  | "write"
  | "fstat"
  | "close"
  | "rename";

/** A real SFTP server on loopback that serves a local folder. */
export interface SftpServer {
  readonly port: number;
  /** Fingerprint of the host key. */
  readonly hostKey: string;
  /** Methods of the successful logins, in order. */
  readonly logins: string[];
  /** While set, requests of this step are not answered. */
  silentAt: SftpStep | undefined;
  /** While set, requests of this step are answered with a status: 3 for permission denied, 4 for a failure. */
  refuses: { readonly step: SftpStep; readonly status: number } | undefined;
  /** Breaks the connection once, at the next request of this step: after its work if `done`, else before it. */
  breakAt: { readonly step: SftpStep; readonly done: boolean } | undefined;
  /** Accepted password. */
  password: string;
  /** Ends every connection. */
  breakOff(): void;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export const username = "bridge";

/** Generates a private key in PEM and its public key in the SSH wire format. */
export function sshKey(): { readonly pem: string; readonly publicKey: Buffer } {
  // Not with ssh2's own generator, which sometimes makes an ed25519 key that ssh2 cannot read.
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  const pem = privateKey.export({ type: "sec1", format: "pem" }) as string;
  const parsed = ssh2.utils.parseKey(pem);
  if (parsed instanceof Error) throw parsed;
  return { pem, publicKey: parsed.getPublicSSH() };
}

/** @param root folder served as `/` */
export async function sftpServer(root: string, publicKey?: Buffer): Promise<SftpServer> {
  const hostKey = sshKey();
  const connections = new Set<Connection>();
  const state: Pick<SftpServer, "silentAt" | "refuses" | "breakAt" | "password" | "logins"> = {
    silentAt: undefined,
    refuses: undefined,
    breakAt: undefined,
    password: "open sesame",
    logins: [],
  };
  const server = new ssh2.Server({ hostKeys: [hostKey.pem] }, (client) => {
    connections.add(client);
    client.on("error", () => {});
    client.on("close", () => connections.delete(client));
    client.on("authentication", (login) => {
      if (state.silentAt === "login") return;
      const known = login.username === username;
      const byPassword = login.method === "password" && login.password === state.password;
      const byKey = login.method === "publickey" && publicKey?.equals(login.key.data) === true;
      if (!known || !(byPassword || byKey)) return login.reject(["password", "publickey"]);
      if (login.method === "publickey" && !login.signature) return login.accept();
      state.logins.push(login.method);
      login.accept();
    });
    client.on("session", (accept) => {
      if (state.silentAt === "session") return;
      accept().on("sftp", (acceptSftp) => {
        if (state.silentAt !== "subsystem") serve(acceptSftp(), root, state, client);
      });
    });
  });
  // A server in front of ssh2's can stay silent before the greeting.
  const { injectSocket } = server as unknown as { injectSocket(socket: object): void };
  const sockets = new Set<net.Socket>();
  const listener = net.createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => {});
    if (state.silentAt !== "greeting") injectSocket.call(server, socket);
  });
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  const breakOff = () => {
    for (const client of connections) client.end();
  };
  const close = async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise<void>((resolve) => listener.close(() => resolve()));
  };
  return Object.assign(state, {
    port: (listener.address() as AddressInfo).port,
    hostKey: `SHA256:${createHash("sha256").update(hostKey.publicKey).digest("base64").replace(/=+$/, "")}`,
    breakOff,
    close,
    [Symbol.asyncDispose]: close,
  });
}

function socketOf(client: Connection): { destroy(): void } {
  return (client as unknown as { _sock: { destroy(): void } })._sock;
}

type Faults = Pick<SftpServer, "silentAt" | "refuses" | "breakAt">;

/** One SFTP session over a local folder. */
interface Session {
  readonly sftp: SFTPWrapper;
  /** Open files by their handle's number. */
  readonly files: Map<number, number>;
  /** Paths still to be listed, by the open folder's handle. */
  readonly folders: Map<number, string[]>;
  /** Returns the local path of a path on the server. */
  localPath(path: string): string;
  nextHandle(): number;
  /** Runs a request's work, unless a fault is set for its step. */
  handle(id: number, step: SftpStep | undefined, work: () => void): void;
}

function serve(sftp: SFTPWrapper, root: string, faults: Faults, client: Connection): void {
  let handles = 0;
  const session: Session = {
    sftp,
    files: new Map(),
    folders: new Map(),
    localPath: (path) => join(root, normalize(`/${path}`)),
    nextHandle: () => ++handles,
    handle(id, step, work) {
      if (step !== undefined && faults.silentAt === step) return;
      if (step !== undefined && faults.refuses?.step === step) return sftp.status(id, faults.refuses.status);
      if (step !== undefined && faults.breakAt?.step === step) {
        const { done } = faults.breakAt;
        faults.breakAt = undefined;
        socketOf(client).destroy();
        if (!done) return;
      }
      try {
        work();
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        const status = code === "ENOENT" ? STATUS_CODE.NO_SUCH_FILE : STATUS_CODE.FAILURE;
        sftp.status(id, code === "EACCES" ? STATUS_CODE.PERMISSION_DENIED : status);
      }
    },
  };
  serveAttributes(session);
  serveFiles(session);
  serveNames(session);
  serveFolders(session);
}

function fileOf({ files }: Session, handle: Buffer): number {
  return files.get(handle.readUInt32BE()) as number;
}

function handleOf(number: number): Buffer {
  const handle = Buffer.alloc(4);
  handle.writeUInt32BE(number);
  return handle;
}

function serveAttributes(session: Session): void {
  const { sftp, handle: on, localPath } = session;
  sftp.on("STAT", (id, path) => on(id, "stat", () => sftp.attrs(id, attributesOf(fs.statSync(localPath(path))))));
  sftp.on("LSTAT", (id, path) => on(id, "stat", () => sftp.attrs(id, attributesOf(fs.lstatSync(localPath(path))))));
  sftp.on("FSTAT", (id, handle) =>
    on(id, "fstat", () => sftp.attrs(id, attributesOf(fs.fstatSync(fileOf(session, handle))))),
  );
}

function serveFiles(session: Session): void {
  const { sftp, files, folders, handle: on, localPath, nextHandle } = session;
  sftp.on("OPEN", (id, path, flags) =>
    on(id, "open", () => {
      const isNew = (flags & OPEN_MODE.CREAT) !== 0;
      const number = nextHandle();
      files.set(number, fs.openSync(localPath(path), isNew ? (flags & OPEN_MODE.EXCL ? "wx" : "w") : "r"));
      sftp.handle(id, handleOf(number));
    }),
  );
  sftp.on("WRITE", (id, handle, offset, data) =>
    on(id, "write", () => {
      fs.writeSync(fileOf(session, handle), data, 0, data.length, offset);
      sftp.status(id, STATUS_CODE.OK);
    }),
  );
  sftp.on("READ", (id, handle, offset, length) =>
    on(id, "read", () => {
      const buffer = Buffer.alloc(length);
      const bytes = fs.readSync(fileOf(session, handle), buffer, 0, length, offset);
      if (bytes === 0) sftp.status(id, STATUS_CODE.EOF);
      else sftp.data(id, buffer.subarray(0, bytes));
    }),
  );
  sftp.on("CLOSE", (id, handle) =>
    on(id, "close", () => {
      if (!folders.delete(handle.readUInt32BE())) fs.closeSync(fileOf(session, handle));
      sftp.status(id, STATUS_CODE.OK);
    }),
  );
}

function serveNames({ sftp, handle: on, localPath }: Session): void {
  sftp.on("REMOVE", (id, path) =>
    on(id, undefined, () => {
      fs.unlinkSync(localPath(path));
      sftp.status(id, STATUS_CODE.OK);
    }),
  );
  sftp.on("RENAME", (id, from, to) =>
    on(id, "rename", () => {
      // OpenSSH also refuses to replace an existing file.
      fs.linkSync(localPath(from), localPath(to));
      fs.unlinkSync(localPath(from));
      sftp.status(id, STATUS_CODE.OK);
    }),
  );
}

function serveFolders({ sftp, folders, handle: on, localPath, nextHandle }: Session): void {
  sftp.on("OPENDIR", (id, path) =>
    on(id, undefined, () => {
      const number = nextHandle();
      const folder = localPath(path);
      folders.set(
        number,
        fs.readdirSync(folder).map((name) => join(folder, name)),
      );
      sftp.handle(id, handleOf(number));
    }),
  );
  sftp.on("READDIR", (id, handle) =>
    on(id, undefined, () => {
      const paths = folders.get(handle.readUInt32BE()) ?? [];
      if (paths.length === 0) return sftp.status(id, STATUS_CODE.EOF);
      folders.set(handle.readUInt32BE(), []);
      const entries = paths.map((path) => {
        const filename = path.slice(path.lastIndexOf("/") + 1);
        return { filename, longname: filename, attrs: attributesOf(fs.statSync(path)) };
      });
      sftp.name(id, entries);
    }),
  );
}

function attributesOf({ mode, uid, gid, size, atimeMs, mtimeMs }: fs.Stats): Attributes {
  return { mode, uid, gid, size, atime: Math.floor(atimeMs / 1_000), mtime: Math.floor(mtimeMs / 1_000) };
}
