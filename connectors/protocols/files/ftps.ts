import { Readable, Writable } from "node:stream";
import type { Client, FTPError } from "basic-ftp";
import type { Connection, ConnectionSource, OpenOptions } from "./connection-pool.ts";
import { connectionText, type Folder, FolderError } from "./folder.ts";

export interface FtpPlace {
  readonly host: string;
  readonly port: number;
  readonly path: string;
  /** `explicit`: TLS from the server's greeting on. `implicit`: from the first byte on. `none`: in the clear. */
  readonly tls: "explicit" | "implicit" | "none";
  /** In PEM: whom to believe instead of the system's authorities. */
  readonly ca?: string | undefined;
}

export interface FtpLogin {
  readonly username: string;
  readonly password: string;
}

/** The way to a folder over FTP, or over FTP with TLS. */
export function ftpSource(place: FtpPlace, login: FtpLogin): ConnectionSource {
  return { identity: ["ftp", place, login], open: (entry) => openFtp(place, login, entry) };
}

async function openFtp(
  place: FtpPlace,
  login: FtpLogin,
  { doing, signal, leftoverTempFiles: litter }: OpenOptions,
): Promise<Connection> {
  const { host, port, tls, path, ca } = place;
  const { Client } = await import("basic-ftp");
  // Time is kept by whoever visits.
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
    const folder = ftpFolder(client, path, litter);
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
    throw refusalOf(error);
  } finally {
    signal.removeEventListener("abort", close);
  }
}

function ftpFolder(client: Client, path: string, litter: Set<string>): Folder {
  const at = (name: string) => `${path.replace(/\/+$/, "")}/${name}`;
  const ask = async <T>(request: () => Promise<T>): Promise<T> => {
    try {
      return await request();
    } catch (error) {
      throw refusalOf(error);
    }
  };
  const sizeOf = async (name: string): Promise<number | undefined> => {
    try {
      return await client.size(at(name));
    } catch (error) {
      if (isAnswer(error) && error.code === notThere) return undefined;
      if (isAnswer(error) && (error.code === 500 || error.code === 502)) {
        const says = "the server does not tell a file's size (SIZE), without which half a file looks like a whole one";
        throw new FolderError(says, "answered", error);
      }
      throw error;
    }
  };
  return {
    leftoverTempFiles: litter,
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
        // A server takes a data connection that broke off for the file's end.
        const size = await sizeOf(name);
        if (size !== bytes.length) {
          throw new FolderError(`the server has ${size ?? 0} of ${bytes.length} bytes of what was written`, "answered");
        }
      }),
    rename: (from, to) => ask(async () => void (await client.rename(at(from), at(to)))),
    remove: (name) => ask(async () => void (await client.remove(at(name), true))),
  };
}

/** "Requested action not taken", which for a SIZE is a file that is not there. Source: RFC 3659, 4; RFC 959, 4.2. */
const notThere = 550;

/** What each answer of an FTP server comes to. Source: RFC 959, 4.2.2; RFC 4217. */
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

/** Whether it is the server's own answer: only that has a number for a code. */
function isAnswer(error: unknown): error is FTPError {
  return typeof (error as Partial<FTPError> | undefined)?.code === "number";
}

function refusalOf(error: unknown): FolderError {
  if (error instanceof FolderError) return error;
  if (!isAnswer(error)) return new FolderError(connectionText(error as Error), "no-answer", error);
  const { code } = error;
  const isLogin = code === 430 || code === 530;
  const says = `${answers[code] ?? "the server refused it"} (${code})`;
  return new FolderError(says, isLogin ? "credentials" : "answered", error);
}
