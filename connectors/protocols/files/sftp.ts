import { createHash } from "node:crypto";
import net from "node:net";
import type { FileEntryWithStats, SFTPWrapper, Stats } from "ssh2";
import * as z from "zod";
import type { Connection, ConnectionSource, OpenOptions } from "./connection-pool.ts";
import { connectionText, FolderError } from "./folder.ts";

/** Host key fingerprint in the form that `ssh-keygen -l` prints. */
export const hostKeySchema = z
  .string()
  .regex(/^SHA256:[A-Za-z0-9+/]{43}$/, 'is no fingerprint such as "SHA256:…", with 43 characters behind the colon');

/** SFTP credentials: a password, a private key, or both if the server requires both. */
export const loginSchema = z
  .strictObject({
    username: z.string().min(1),
    password: z.string().min(1).optional(),
    /** In OpenSSH or PEM format. */
    privateKey: z.string().min(1).optional(),
    passphrase: z.string().min(1).optional(),
  })
  .refine(({ password, privateKey }) => password ?? privateKey, "has neither a password nor a privateKey");

export type Login = z.output<typeof loginSchema>;

export interface SftpPlace {
  readonly host: string;
  readonly port: number;
  readonly path: string;
  /** Fingerprints of the accepted host keys. Nothing is sent to a server that shows any other key. */
  readonly hostKeys: readonly string[];
}

/** Returns a connection source for a folder on an SFTP server. */
export function sftpSource(place: SftpPlace, login: Login): ConnectionSource {
  return { identity: ["sftp", place, login], open: (options) => openSftp(place, login, options) };
}

async function openSftp(
  place: SftpPlace,
  login: Login,
  { doing, signal, leftoverTempFiles }: OpenOptions,
): Promise<Connection> {
  const { username, password, privateKey, passphrase } = login;
  // Loaded on first use, because the library is large and every process imports every connector.
  const { default: ssh2 } = await import("ssh2");
  const { promise: broken, reject: rejectBroken } = Promise.withResolvers<never>();
  // Callers race against this promise. If nobody is waiting, its rejection must not count as unhandled.
  broken.catch(() => {});
  const socket = net.connect({ host: place.host, port: place.port, noDelay: true });
  const client = new ssh2.Client();
  let isOpen = true;
  const close = () => {
    isOpen = false;
    socket.destroy();
    rejectBroken(new FolderError("the connection was closed", "no-answer"));
  };
  const breakOff = (error: FolderError) => {
    rejectBroken(error);
    close();
  };
  let hostKey: string | undefined;
  const ready = new Promise<void>((resolve) => client.once("ready", resolve));
  client.on("error", (error: Error & { level?: string }) => breakOff(connectionError(error, hostKey, place)));
  client.on("close", () => breakOff(new FolderError("the server closed the connection", "no-answer")));
  client.on("keyboard-interactive", (...[, , , prompts, answer]) => answer(prompts.map(() => password ?? "")));
  socket.once("connect", () => doing("greeting us"));
  signal.addEventListener("abort", close, { once: true });
  try {
    if (signal.aborted) close();
    client.connect({
      sock: socket,
      username,
      ...(password !== undefined && { password }),
      ...(privateKey !== undefined && { privateKey }),
      ...(passphrase !== undefined && { passphrase }),
      tryKeyboard: password !== undefined,
      readyTimeout: 0,
      hostVerifier: (key: Buffer) => {
        hostKey = `SHA256:${createHash("sha256").update(key).digest("base64").replace(/=+$/, "")}`;
        doing("logging in");
        return place.hostKeys.includes(hostKey);
      },
    });
    await Promise.race([broken, ready]);
    doing("opening SFTP");
    const sftp = await Promise.race([broken, promisify<SFTPWrapper>((done) => client.sftp(done))]);
    sftp.on("error", (error: Error) => breakOff(connectionError(error, hostKey, place)));
    const folder = sftpFolder(sftp, place.path, leftoverTempFiles, broken);
    await folder.look();
    return {
      ...folder,
      get isOpen() {
        return isOpen;
      },
      hold: (awake) => void (awake ? socket.ref() : socket.unref()),
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

type Folder = Omit<Connection, "isOpen" | "hold" | "close">;

function sftpFolder(sftp: SFTPWrapper, path: string, leftoverTempFiles: Set<string>, broken: Promise<never>): Folder {
  const at = (name: string) => `${path.replace(/\/+$/, "")}/${name}`;
  /** Sends one request and returns its answer. `about` names the file in error messages. */
  const ask = async <T>(request: (done: Done<T>) => void, about: string): Promise<T> => {
    try {
      return await Promise.race([broken, promisify(request)]);
    } catch (error) {
      throw requestError(error, about);
    }
  };
  return {
    leftoverTempFiles,
    async look() {
      const stats = await ask<Stats>((done) => sftp.stat(path, done), "the folder");
      if (!stats.isDirectory()) throw new FolderError("the folder's path is not a folder", "answered");
    },
    async size(name) {
      try {
        return (await ask<Stats>((done) => sftp.stat(at(name), done), name)).size;
      } catch (error) {
        if (error instanceof FolderError && isMissing(error.cause)) return undefined;
        throw error;
      }
    },
    async read(name, most) {
      const { size } = await ask<Stats>((done) => sftp.stat(at(name), done), name);
      if (size > most) throw new FolderError(`${name} has ${size} bytes, more than ${most}`, "answered");
      const file = await ask<Buffer>((done) => sftp.open(at(name), "r", done), name);
      const bytes = Buffer.alloc(size);
      for (let from = 0; from < size; ) {
        const read = await ask<number>((done) => sftp.read(file, bytes, from, size - from, from, done), name);
        if (read === 0) throw new FolderError(`${name} ended before its size`, "answered");
        from += read;
      }
      await ask<void>((done) => sftp.close(file, done), name);
      return bytes;
    },
    async list() {
      const entries = await ask<FileEntryWithStats[]>((done) => sftp.readdir(path, done), "the folder");
      return entries.flatMap(({ filename: name, attrs }) =>
        attrs.isFile() ? [{ name, bytes: attrs.size, changedAt: new Date(attrs.mtime * 1_000) }] : [],
      );
    },
    async write(name, bytes) {
      const file = await ask<Buffer>((done) => sftp.open(at(name), "wx", done), name);
      await ask<void>((done) => sftp.write(file, Buffer.from(bytes), 0, bytes.length, 0, done), name);
      const { size } = await ask<Stats>((done) => sftp.fstat(file, done), name);
      await ask<void>((done) => sftp.close(file, done), name);
      if (size !== bytes.length) {
        throw new FolderError(`the server has ${size} of ${bytes.length} bytes of what was written`, "answered");
      }
    },
    rename: (from, to) => ask<void>((done) => sftp.rename(at(from), at(to), done), to),
    async remove(name) {
      try {
        await ask<void>((done) => sftp.unlink(at(name), done), name);
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

/** Converts a failed request into a `FolderError`, by the SFTP status code if there is one. */
function requestError(error: unknown, about: string): FolderError {
  if (error instanceof FolderError) return error;
  const { code } = error as { code?: unknown };
  if (typeof code !== "number") return new FolderError("the connection broke off", "no-answer", error);
  const known: Record<number, string> = {
    [noSuchFile]: "is not there",
    3: "may not be used by us: permission denied",
    4: "could not be used, and the server does not say why: its disk may be full, or the name be taken",
    6: "has no connection behind it",
    7: "has lost the connection behind it",
    8: "cannot be used like this: the server does not know how",
  };
  return new FolderError(`${about} ${known[code] ?? `could not be used (SFTP status ${code})`}`, "answered", error);
}

/** Converts a connection error into a `FolderError` that says why there is no connection. */
function connectionError(
  error: Error & { level?: string },
  hostKey: string | undefined,
  { hostKeys }: SftpPlace,
): FolderError {
  if (hostKey !== undefined && !hostKeys.includes(hostKey)) {
    const says = `the server's host key is ${hostKey}, which is not among hostKeys; nothing was sent to it`;
    return new FolderError(says, "no-answer");
  }
  if (error.level === "client-authentication") {
    return new FolderError("the server refused the login", "credentials", error);
  }
  return new FolderError(connectionText(error), "no-answer", error);
}
