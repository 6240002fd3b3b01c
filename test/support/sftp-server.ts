import { createHash, generateKeyPairSync } from "node:crypto";
import fs from "node:fs";
import net, { type AddressInfo } from "node:net";
import { join, normalize } from "node:path";
import ssh2, { type Attributes, type Connection, type SFTPWrapper } from "ssh2";

const { OPEN_MODE, STATUS_CODE } = ssh2.utils.sftp;

/** What a client can be doing when a server falls silent. */
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

/** A real SFTP server on loopback, over a folder of this machine. */
export interface SftpServer {
  readonly port: number;
  /** The fingerprint of its host key. */
  readonly hostKey: string;
  /** The logins that were taken, in order. */
  readonly logins: string[];
  /** From now on it does not answer when asked for this. */
  silentAt: SftpStep | undefined;
  /** From now on it answers this with a status: 3 is denied, 4 is a failure. */
  refuses: { readonly step: SftpStep; readonly status: number } | undefined;
  /** The next time it is asked for this it breaks off: before it does it, or instead of answering. */
  breakAt: { readonly step: SftpStep; readonly done: boolean } | undefined;
  /** The password it takes from now on. */
  password: string;
  /** Breaks every connection. */
  breakOff(): void;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export const username = "bridge";

/** A private key in PEM, and its public half as SSH sends it. */
export function sshKey(): { readonly pem: string; readonly publicKey: Buffer } {
  // Not ssh2's own generator: now and then it makes an ed25519 key that ssh2 cannot read.
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  const pem = privateKey.export({ type: "sec1", format: "pem" }) as string;
  const parsed = ssh2.utils.parseKey(pem);
  if (parsed instanceof Error) throw parsed;
  return { pem, publicKey: parsed.getPublicSSH() };
}

/** @param root what the server shows as `/` */
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
  // Before ssh2 has said who it is.
  const { injectSocket } = server as unknown as { injectSocket(socket: object): void };
  const sockets = new Set<net.Socket>();
  const door = net.createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => {});
    if (state.silentAt !== "greeting") injectSocket.call(server, socket);
  });
  await new Promise<void>((resolve) => door.listen(0, "127.0.0.1", resolve));
  const breakOff = () => {
    for (const client of connections) client.end();
  };
  const close = async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise<void>((resolve) => door.close(() => resolve()));
  };
  return Object.assign(state, {
    port: (door.address() as AddressInfo).port,
    hostKey: `SHA256:${createHash("sha256").update(hostKey.publicKey).digest("base64").replace(/=+$/, "")}`,
    breakOff,
    close,
    [Symbol.asyncDispose]: close,
  });
}

function socketOf(client: Connection): { destroy(): void } {
  return (client as unknown as { _sock: { destroy(): void } })._sock;
}

function serve(
  sftp: SFTPWrapper,
  root: string,
  state: Pick<SftpServer, "silentAt" | "refuses" | "breakAt">,
  client: Connection,
): void {
  const at = (path: string) => join(root, normalize(`/${path}`));
  const files = new Map<number, number>();
  const folders = new Map<number, string[]>();
  let handles = 0;
  const handleOf = (number: number) => {
    const handle = Buffer.alloc(4);
    handle.writeUInt32BE(number);
    return handle;
  };
  const fileOf = (handle: Buffer) => files.get(handle.readUInt32BE()) as number;
  /** Answers a request, unless it is told not to. */
  const on = (id: number, step: SftpStep | undefined, work: () => void) => {
    if (step !== undefined && state.silentAt === step) return;
    if (step !== undefined && state.refuses?.step === step) return sftp.status(id, state.refuses.status);
    if (step !== undefined && state.breakAt?.step === step) {
      const { done } = state.breakAt;
      state.breakAt = undefined;
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
  };
  const ok = (id: number) => sftp.status(id, STATUS_CODE.OK);
  sftp.on("STAT", (id, path) => on(id, "stat", () => sftp.attrs(id, attributesOf(fs.statSync(at(path))))));
  sftp.on("LSTAT", (id, path) => on(id, "stat", () => sftp.attrs(id, attributesOf(fs.lstatSync(at(path))))));
  sftp.on("FSTAT", (id, handle) => on(id, "fstat", () => sftp.attrs(id, attributesOf(fs.fstatSync(fileOf(handle))))));
  sftp.on("OPEN", (id, path, flags) =>
    on(id, "open", () => {
      const isNew = (flags & OPEN_MODE.CREAT) !== 0;
      files.set(++handles, fs.openSync(at(path), isNew ? (flags & OPEN_MODE.EXCL ? "wx" : "w") : "r"));
      sftp.handle(id, handleOf(handles));
    }),
  );
  sftp.on("WRITE", (id, handle, offset, data) =>
    on(id, "write", () => {
      fs.writeSync(fileOf(handle), data, 0, data.length, offset);
      ok(id);
    }),
  );
  sftp.on("READ", (id, handle, offset, length) =>
    on(id, "read", () => {
      const buffer = Buffer.alloc(length);
      const read = fs.readSync(fileOf(handle), buffer, 0, length, offset);
      if (read === 0) sftp.status(id, STATUS_CODE.EOF);
      else sftp.data(id, buffer.subarray(0, read));
    }),
  );
  sftp.on("CLOSE", (id, handle) =>
    on(id, "close", () => {
      if (!folders.delete(handle.readUInt32BE())) fs.closeSync(fileOf(handle));
      ok(id);
    }),
  );
  sftp.on("REMOVE", (id, path) =>
    on(id, undefined, () => {
      fs.unlinkSync(at(path));
      ok(id);
    }),
  );
  sftp.on("RENAME", (id, from, to) =>
    on(id, "rename", () => {
      // As OpenSSH's: a name that is taken stays what it is.
      fs.linkSync(at(from), at(to));
      fs.unlinkSync(at(from));
      ok(id);
    }),
  );
  sftp.on("OPENDIR", (id, path) =>
    on(id, undefined, () => {
      folders.set(
        ++handles,
        fs.readdirSync(at(path)).map((name) => join(at(path), name)),
      );
      sftp.handle(id, handleOf(handles));
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
