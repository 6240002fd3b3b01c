import net, { type AddressInfo } from "node:net";
import { FtpSrv } from "ftp-srv";
import type { Pair } from "./certificates.ts";

/** A real FTP server on loopback that serves a local folder. */
export interface FtpServer extends AsyncDisposable {
  readonly port: number;
  /** Names of the successful logins, in order. */
  readonly logins: string[];
  password: string;
  close(): Promise<void>;
}

export const username = "bridge";

/** @param tls `explicit` starts TLS with AUTH TLS, `implicit` with the first byte; without `tls`, plaintext */
export async function ftpServer(
  root: string,
  tls?: { readonly kind: "explicit" | "implicit"; readonly certificate: Pair },
): Promise<FtpServer> {
  const port = await freePort();
  const scheme = tls?.kind === "implicit" ? "ftps" : "ftp";
  const quiet = () => {};
  const log = { trace: quiet, debug: quiet, info: quiet, warn: quiet, error: quiet, fatal: quiet, child: () => log };
  const signals = ["SIGTERM", "SIGINT", "SIGQUIT"] as const;
  const known = signals.map((signal) => process.listeners(signal));
  const server = new FtpSrv({
    url: `${scheme}://127.0.0.1:${port}`,
    pasv_url: "127.0.0.1",
    pasv_min: 20_000 + Math.floor(Math.random() * 30_000),
    log,
    ...(tls && { tls: { cert: tls.certificate.cert, key: tls.certificate.key } }),
  });
  // Remove the signal handlers with which ftp-srv would end the test process.
  for (const [i, signal] of signals.entries()) {
    for (const listener of process.listeners(signal)) if (!known[i]?.includes(listener)) process.off(signal, listener);
  }
  const state = { password: "open sesame", logins: [] as string[] };
  server.on("login", ({ username: name, password }, resolve, reject) => {
    if (name !== username || password !== state.password) return reject(new Error("no such user"));
    state.logins.push(name);
    resolve({ root });
  });
  server.on("client-error", quiet);
  // ftp-srv answers in small pieces, each of which Nagle's algorithm would delay by 40 ms.
  (server as unknown as { server: net.Server }).server.on("connection", (socket) => socket.setNoDelay(true));
  await server.listen();
  const close = async () => {
    await server.close();
  };
  return Object.assign(state, { port, close, [Symbol.asyncDispose]: close });
}

/** Returns a port that no process listens on at the moment. */
export async function freePort(): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}
