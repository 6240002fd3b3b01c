import { createHash } from "node:crypto";
import net from "node:net";
import type { Client, ConnectConfig, FileEntryWithStats, SFTPWrapper, Stats } from "ssh2";
import * as z from "zod";
import { connectionErrorText } from "../http/connection-error.ts";
import type { Connection, ConnectionSource, OpenOptions } from "./connection-pool.ts";
import { type Folder, FolderError } from "./folder.ts";

/** Host key fingerprint in the form that `ssh-keygen -l` prints. */
export const hostKeySchema = z
  .string()
  .regex(/^SHA256:[A-Za-z0-9+/]{43}$/, 'is not a fingerprint such as "SHA256:…" with 43 characters after the colon');

/** SFTP credentials: a password, a private key, or both if the server requires both. */
export const loginSchema = z
  .strictObject({
    username: z.string().min(1),
    password: z.string().min(1).optional(),
    /** OpenSSH or PEM format. */
    privateKey: z.string().min(1).optional(),
    passphrase: z.string().min(1).optional(),
  })
  .refine(({ password, privateKey }) => password ?? privateKey, "has neither password nor privateKey");

export type Login = z.output<typeof loginSchema>;

export interface SftpLocation {
  readonly host: string;
  readonly port: number;
  readonly path: string;
  /** Fingerprints of the accepted host keys. Nothing is sent to a server that shows any other key. */
  readonly hostKeys: readonly string[];
}

/** Returns a connection source for a folder on an SFTP server. */
export function sftpSource(location: SftpLocation, login: Login): ConnectionSource {
  return { identity: ["sftp", location, login], open: (options) => openSftp(location, login, options) };
}

async function openSftp(
  location: SftpLocation,
  login: Login,
  { onStep, signal, leftoverTempFiles }: OpenOptions,
): Promise<Connection> {
  // Loaded on first use, because the library is large and every process imports every connector.
  const { default: ssh2 } = await import("ssh2");
  const { promise: broken, reject: rejectBroken } = Promise.withResolvers<never>();
  // Callers race against this promise. If nobody is waiting, its rejection must not count as unhandled.
  broken.catch(() => {});
  const socket = net.connect({ host: location.host, port: location.port, noDelay: true });
  const client = new ssh2.Client();
  let isOpen = true;
  const close = () => {
    isOpen = false;
    socket.destroy();
    rejectBroken(new FolderError("the connection was closed", "no-answer"));
  };
  const fail = (error: FolderError) => {
    rejectBroken(error);
    close();
  };
  let hostKey: string | undefined;
  const onHostKey = (fingerprint: string) => {
    hostKey = fingerprint;
    onStep("logging in");
    return location.hostKeys.includes(fingerprint);
  };
  const onError = (error: Error) => fail(connectionError(error, hostKey, location));
  client.on("error", onError);
  client.on("close", () => fail(new FolderError("the server closed the connection", "no-answer")));
  socket.once("connect", () => onStep("waiting for the server's greeting"));
  signal.addEventListener("abort", close, { once: true });
  try {
    if (signal.aborted) close();
    const ready = new Promise<void>((resolve) => client.once("ready", resolve));
    startLogin(client, socket, login, onHostKey);
    await Promise.race([broken, ready]);
    onStep("opening SFTP");
    const sftp = await Promise.race([broken, promisify<SFTPWrapper>((done) => client.sftp(done))]);
    sftp.on("error", onError);
    const folder = sftpFolder(sftp, location.path, leftoverTempFiles, broken);
    await folder.check();
    return {
      ...folder,
      get isOpen() {
        return isOpen;
      },
      keepProcessAlive: (keepAlive) => void (keepAlive ? socket.ref() : socket.unref()),
      close,
    };
  } catch (error) {
    close();
    if (error instanceof FolderError) throw error;
    throw new FolderError(`the private key cannot be used: ${(error as Error).message}`, "credentials", error);
  } finally {
    signal.removeEventListener("abort", close);
  }
}

/**
 * Starts the SSH handshake and the login. A password also answers every prompt of a keyboard-interactive login.
 *
 * @param onHostKey called with the fingerprint of the server's key; returns true to accept the key
 * @throws {Error} if the private key cannot be read
 */
function startLogin(
  client: Client,
  socket: net.Socket,
  { username, password, privateKey, passphrase }: Login,
  onHostKey: (fingerprint: string) => boolean,
): void {
  const options: ConnectConfig = {
    sock: socket,
    username,
    ...(password !== undefined && { password }),
    ...(privateKey !== undefined && { privateKey }),
    ...(passphrase !== undefined && { passphrase }),
    tryKeyboard: password !== undefined,
    // No timeout here: withConnection enforces the time limit.
    readyTimeout: 0,
    hostVerifier: (key: Buffer) =>
      onHostKey(`SHA256:${createHash("sha256").update(key).digest("base64").replace(/=+$/, "")}`),
  };
  client.on("keyboard-interactive", (...[, , , prompts, answer]) => answer(prompts.map(() => password ?? "")));
  client.connect(options);
}

/** Converts the callbacks of an SFTP session to promises. Requests fail at once if `broken` rejects. */
function sftpFolder(sftp: SFTPWrapper, path: string, leftoverTempFiles: Set<string>, broken: Promise<never>): Folder {
  const pathOf = (name: string) => `${path.replace(/\/+$/, "")}/${name}`;
  /** Sends one request and returns its response. `subject` begins the message of an error. */
  const request = async <T>(send: (done: Done<T>) => void, subject: string): Promise<T> => {
    try {
      return await Promise.race([broken, promisify(send)]);
    } catch (error) {
      throw requestError(error, subject);
    }
  };
  return {
    leftoverTempFiles,
    async check() {
      const stats = await request<Stats>((done) => sftp.stat(path, done), "the folder");
      if (!stats.isDirectory()) throw new FolderError("the folder's path is not a folder", "answered");
    },
    async size(name) {
      try {
        return (await request<Stats>((done) => sftp.stat(pathOf(name), done), name)).size;
      } catch (error) {
        if (error instanceof FolderError && isMissing(error.cause)) return undefined;
        throw error;
      }
    },
    async read(name, maxBytes) {
      const { size } = await request<Stats>((done) => sftp.stat(pathOf(name), done), name);
      if (size > maxBytes) throw new FolderError(`${name} is larger than ${maxBytes} bytes`, "answered");
      const file = await request<Buffer>((done) => sftp.open(pathOf(name), "r", done), name);
      const bytes = Buffer.alloc(size);
      for (let from = 0; from < size; ) {
        const read = await request<number>((done) => sftp.read(file, bytes, from, size - from, from, done), name);
        if (read === 0) throw new FolderError(`${name} is shorter than its reported size`, "answered");
        from += read;
      }
      await request<void>((done) => sftp.close(file, done), name);
      return bytes;
    },
    async list() {
      const entries = await request<FileEntryWithStats[]>((done) => sftp.readdir(path, done), "the folder");
      return entries.flatMap(({ filename: name, attrs }) =>
        attrs.isFile() ? [{ name, bytes: attrs.size, changedAt: new Date(attrs.mtime * 1_000) }] : [],
      );
    },
    async write(name, bytes) {
      const file = await request<Buffer>((done) => sftp.open(pathOf(name), "wx", done), name);
      await request<void>((done) => sftp.write(file, Buffer.from(bytes), 0, bytes.length, 0, done), name);
      const { size } = await request<Stats>((done) => sftp.fstat(file, done), name);
      await request<void>((done) => sftp.close(file, done), name);
      if (size !== bytes.length) {
        throw new FolderError(`the server stored ${size} of ${bytes.length} bytes`, "answered");
      }
    },
    rename: (from, to) => request<void>((done) => sftp.rename(pathOf(from), pathOf(to), done), to),
    async remove(name) {
      try {
        await request<void>((done) => sftp.unlink(pathOf(name), done), name);
      } catch (error) {
        if (!(error instanceof FolderError && isMissing(error.cause))) throw error;
      }
    },
  };
}

type Done<T> = (error: Error | null | undefined, value?: T) => void;

function promisify<T>(request: (done: Done<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => request((error, value) => (error ? reject(error) : resolve(value as T))));
}

/** SSH_FX_NO_SUCH_FILE. Source: draft-ietf-secsh-filexfer-02, 7. */
const noSuchFile = 2;

function isMissing(error: unknown): boolean {
  return (error as { code?: unknown } | undefined)?.code === noSuchFile;
}

/** Continuation of "the file …" for each SFTP status code. Source: draft-ietf-secsh-filexfer-02, 7. */
const statusMessages: Readonly<Record<number, string>> = {
  [noSuchFile]: "does not exist",
  3: "cannot be accessed: permission denied",
  4: "cannot be accessed; the server gives no reason: its disk may be full, or the name may be taken",
  6: "cannot be accessed: the server has no connection to its storage",
  7: "cannot be accessed: the server has lost the connection to its storage",
  8: "cannot be accessed: the server does not support the operation",
};

/** Converts a failed request to a `FolderError`, by the SFTP status code if there is one. */
function requestError(error: unknown, subject: string): FolderError {
  if (error instanceof FolderError) return error;
  const { code } = error as { code?: unknown };
  if (typeof code !== "number") return new FolderError("the connection failed", "no-answer", error);
  const message = statusMessages[code] ?? `cannot be accessed (SFTP status ${code})`;
  return new FolderError(`${subject} ${message}`, "answered", error);
}

/** Converts a connection error to a `FolderError` with the reason why there is no connection. */
function connectionError(
  error: Error & { level?: string },
  hostKey: string | undefined,
  { hostKeys }: SftpLocation,
): FolderError {
  if (hostKey !== undefined && !hostKeys.includes(hostKey)) {
    const message = `the server's host key is ${hostKey}, which is not among hostKeys; nothing was sent to it`;
    return new FolderError(message, "no-answer");
  }
  if (error.level === "client-authentication") {
    return new FolderError("the server refused the login", "credentials", error);
  }
  return new FolderError(connectionErrorText(error), "no-answer", error);
}
