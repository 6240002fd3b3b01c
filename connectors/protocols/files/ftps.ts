import { Readable, Writable } from "node:stream";
import type { Client, FTPError } from "basic-ftp";
import type { Connection, ConnectionSource, OpenOptions } from "./connection-pool.ts";
import { connectionText, type Folder, FolderError } from "./folder.ts";

export interface FtpPlace {
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
export function ftpSource(place: FtpPlace, login: FtpLogin): ConnectionSource {
  return { identity: ["ftp", place, login], open: (options) => openFtp(place, login, options) };
}

async function openFtp(
  place: FtpPlace,
  login: FtpLogin,
  { doing, signal, leftoverTempFiles }: OpenOptions,
): Promise<Connection> {
  const { host, port, tls, path, ca } = place;
  const { Client } = await import("basic-ftp");
  // No timeout here: withConnection enforces the time limit.
  const client = new Client(0);
  const close = () => client.close();
  signal.addEventListener("abort", close, { once: true });
  try {
    const secureOptions = { host, servername: host, ...(ca !== undefined && { ca }) };
    doing("greeting us");
    if (tls === "implicit") await client.connectImplicitTLS(host, port, secureOptions);
    else await client.connect(host, port);
    doing("agreeing on TLS");
    if (tls === "explicit") await client.useTLS(secureOptions);
    doing("logging in");
    await client.login(login.username, login.password);
    await client.useDefaultSettings();
    const folder = ftpFolder(client, path, leftoverTempFiles);
    await folder.look();
    return {
      ...folder,
      get isOpen() {
        return !client.closed;
      },
      hold: (awake) => void (awake ? client.ftp.socket.ref() : client.ftp.socket.unref()),
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
  const at = (name: string) => `${path.replace(/\/+$/, "")}/${name}`;
  const ask = async <T>(request: () => Promise<T>): Promise<T> => {
    try {
      return await request();
    } catch (error) {
      throw requestError(error);
    }
  };
  const sizeOf = async (name: string): Promise<number | undefined> => {
    try {
      return await client.size(at(name));
    } catch (error) {
      if (isServerReply(error) && error.code === notThere) return undefined;
      if (isServerReply(error) && (error.code === 500 || error.code === 502)) {
        const says = "the server does not tell a file's size (SIZE), without which half a file looks like a whole one";
        throw new FolderError(says, "answered", error);
      }
      throw error;
    }
  };
  return {
    leftoverTempFiles,
    look: () => ask(async () => void (await client.cd(path))),
    size: (name) => ask(() => sizeOf(name)),
    read: (name, most) =>
      ask(async () => {
        const chunks: Buffer[] = [];
        let size = 0;
        const sink = new Writable({
          write(chunk: Buffer, _encoding, done) {
            size += chunk.length;
            chunks.push(chunk);
            done(size > most ? new FolderError(`${name} has more than ${most} bytes`, "answered") : null);
          },
        });
        await client.downloadTo(sink, at(name));
        return Buffer.concat(chunks);
      }),
    list: () =>
      ask(async () =>
        (await client.list(path)).flatMap(({ isFile, name, size, modifiedAt }) =>
          isFile ? [{ name, bytes: size, ...(modifiedAt && { changedAt: modifiedAt }) }] : [],
        ),
      ),
    write: (name, bytes) =>
      ask(async () => {
        await client.uploadFrom(Readable.from([Buffer.from(bytes)]), at(name));
        // A server treats a broken data connection as the end of the file, so the size is checked.
        const size = await sizeOf(name);
        if (size !== bytes.length) {
          throw new FolderError(`the server has ${size ?? 0} of ${bytes.length} bytes of what was written`, "answered");
        }
      }),
    rename: (from, to) => ask(async () => void (await client.rename(at(from), at(to)))),
    remove: (name) => ask(async () => void (await client.remove(at(name), true))),
  };
}

/** "Requested action not taken". In reply to SIZE it means that the file does not exist. Source: RFC 3659, 4; RFC 959, 4.2. */
const notThere = 550;

/** Message for each FTP reply code. Source: RFC 959, 4.2.2; RFC 4217. */
const answers: Readonly<Record<number, string>> = {
  421: "the server is closing down, or has too many callers",
  425: "the server could not open a data connection",
  426: "the server broke the data connection off",
  430: "the server refused the login",
  431: "the server cannot do TLS just now",
  450: "the server says that the file is busy",
  451: "the server failed at it",
  452: "the server's disk is full",
  521: "the server takes no files without TLS",
  522: "the server asks for another kind of data connection",
  530: "the server refused the login",
  532: "the server asks for an account, which is more than a user's name and password",
  534: "the server refuses TLS",
  550: "the folder or file is not there, or may not be used by us",
  552: "the server's quota is used up",
  553: "the server does not let us write a file of that name",
};

/** Returns true for a reply from the server. Only such an error has a numeric code. */
function isServerReply(error: unknown): error is FTPError {
  return typeof (error as Partial<FTPError> | undefined)?.code === "number";
}

function requestError(error: unknown): FolderError {
  if (error instanceof FolderError) return error;
  if (!isServerReply(error)) return new FolderError(connectionText(error as Error), "no-answer", error);
  const { code } = error;
  const isLogin = code === 430 || code === 530;
  const says = `${answers[code] ?? "the server refused it"} (${code})`;
  return new FolderError(says, isLogin ? "credentials" : "answered", error);
}
