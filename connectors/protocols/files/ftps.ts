// Accesses a folder on an FTP server over FTPS, or over plain FTP if `tls` is `none`.
import { Readable, Writable } from "node:stream";
import type { Client, FTPError } from "basic-ftp";
import { connectionErrorText } from "../http/connection-error.ts";
import type { Connection, ConnectionSource, OpenOptions } from "./connection-pool.ts";
import { type Folder, FolderError } from "./folder.ts";

export interface FtpLocation {
  readonly host: string;
  readonly port: number;
  readonly path: string;
  /** `explicit`: TLS starts after the server's greeting. `implicit`: TLS from the first byte. `none`: unencrypted. */
  readonly tls: "explicit" | "implicit" | "none";
  /** CA certificates in PEM format, trusted instead of the system's. */
  readonly ca?: string | undefined;
}

export interface FtpLogin {
  readonly username: string;
  readonly password: string;
}

/** Returns a connection source for a folder on an FTP server, with or without TLS. */
export function ftpSource(location: FtpLocation, login: FtpLogin): ConnectionSource {
  return { identity: ["ftp", location, login], open: (options) => openFtp(location, login, options) };
}

async function openFtp(
  location: FtpLocation,
  login: FtpLogin,
  { onStep, signal, leftoverTempFiles }: OpenOptions,
): Promise<Connection> {
  const { host, port, tls, path, ca } = location;
  const { Client } = await import("basic-ftp");
  // No timeout here: withConnection enforces the time limit.
  const client = new Client(0);
  const close = () => client.close();
  signal.addEventListener("abort", close, { once: true });
  try {
    const secureOptions = { host, servername: host, ...(ca !== undefined && { ca }) };
    onStep("waiting for the server's greeting");
    if (tls === "implicit") await client.connectImplicitTLS(host, port, secureOptions);
    else await client.connect(host, port);
    onStep("negotiating TLS");
    if (tls === "explicit") await client.useTLS(secureOptions);
    onStep("logging in");
    await client.login(login.username, login.password);
    await client.useDefaultSettings();
    const folder = ftpFolder(client, path, leftoverTempFiles);
    await folder.check();
    return {
      ...folder,
      get isOpen() {
        return !client.closed;
      },
      keepProcessAlive: (keepAlive) => void (keepAlive ? client.ftp.socket.ref() : client.ftp.socket.unref()),
      close,
    };
  } catch (error) {
    close();
    throw requestError(error);
  } finally {
    signal.removeEventListener("abort", close);
  }
}

function ftpFolder(client: Client, path: string, leftoverTempFiles: Set<string>): Folder {
  const pathOf = (name: string) => `${path.replace(/\/+$/, "")}/${name}`;
  const request = async <T>(send: () => Promise<T>): Promise<T> => {
    try {
      return await send();
    } catch (error) {
      throw requestError(error);
    }
  };
  return {
    leftoverTempFiles,
    check: () => request(async () => void (await client.cd(path))),
    size: (name) => request(() => sizeOf(client, pathOf(name))),
    read: (name, maxBytes) =>
      request(async () => {
        const chunks: Buffer[] = [];
        let size = 0;
        const sink = new Writable({
          write(chunk: Buffer, _encoding, done) {
            size += chunk.length;
            chunks.push(chunk);
            done(size > maxBytes ? new FolderError(`${name} is larger than ${maxBytes} bytes`, "answered") : null);
          },
        });
        await client.downloadTo(sink, pathOf(name));
        return Buffer.concat(chunks);
      }),
    list: () =>
      request(async () =>
        (await client.list(path)).flatMap(({ isFile, name, size, modifiedAt }) =>
          isFile ? [{ name, bytes: size, ...(modifiedAt && { changedAt: modifiedAt }) }] : [],
        ),
      ),
    write: (name, bytes) =>
      request(async () => {
        await client.uploadFrom(Readable.from([Buffer.from(bytes)]), pathOf(name));
        // A server treats a broken data connection as the end of the file, so the size is checked.
        const size = await sizeOf(client, pathOf(name));
        if (size !== bytes.length) {
          throw new FolderError(`the server stored ${size ?? 0} of ${bytes.length} bytes`, "answered");
        }
      }),
    rename: (from, to) => request(async () => void (await client.rename(pathOf(from), pathOf(to)))),
    remove: (name) => request(async () => void (await client.remove(pathOf(name), true))),
  };
}

/** "Requested action not taken". In reply to SIZE it means that the file does not exist. Source: RFC 3659, 4; RFC 959, 4.2. */
const fileUnavailable = 550;

/** Returns a file's size, or undefined if there is no such file. */
async function sizeOf(client: Client, path: string): Promise<number | undefined> {
  try {
    return await client.size(path);
  } catch (error) {
    if (isServerReply(error) && error.code === fileUnavailable) return undefined;
    if (isServerReply(error) && (error.code === 500 || error.code === 502)) {
      const message = "the server does not report file sizes (SIZE), so a partial upload could not be detected";
      throw new FolderError(message, "answered", error);
    }
    throw error;
  }
}

/** Message for each FTP reply code. Source: RFC 959, 4.2.2; RFC 4217. */
const replyMessages: Readonly<Record<number, string>> = {
  421: "the server is shutting down or has too many connections",
  425: "the server could not open a data connection",
  426: "the server closed the data connection",
  430: "the server refused the login",
  431: "the server cannot start TLS at the moment",
  450: "the file is in use on the server",
  451: "the server had an internal error",
  452: "the server's disk is full",
  521: "the server requires TLS for file transfers",
  522: "the server requires another kind of data connection",
  530: "the server refused the login",
  532: "the server requires an account (ACCT) besides a user name and password",
  534: "the server refuses TLS",
  550: "the folder or file does not exist, or access to it is denied",
  552: "the storage quota on the server is exceeded",
  553: "the server does not allow a file with this name",
};

/** Returns true for a reply from the server. Only such an error has a numeric code. */
function isServerReply(error: unknown): error is FTPError {
  return typeof (error as Partial<FTPError> | undefined)?.code === "number";
}

function requestError(error: unknown): FolderError {
  if (error instanceof FolderError) return error;
  if (!isServerReply(error)) return new FolderError(connectionErrorText(error as Error), "no-answer", error);
  const { code } = error;
  const isLogin = code === 430 || code === 530;
  const message = `${replyMessages[code] ?? "the server refused the request"} (${code})`;
  return new FolderError(message, isLogin ? "credentials" : "answered", error);
}
