import net, { type AddressInfo, type Socket } from "node:net";

/** A TCP proxy that breaks connections between a client and a server. */
export interface Proxy extends AsyncDisposable {
  readonly port: number;
  /** Number of connections cut so far. */
  readonly cuts: number;
}

export interface ProxyOptions {
  /** Bytes, in both directions together, after which a connection is cut. Without a limit, none is cut. */
  readonly cutAfter?: () => number | undefined;
  /** Plaintext FTP only: routes passive data connections through this proxy, too. */
  readonly passive?: boolean;
  /** Plaintext FTP only: the command, or the greeting (`220`), at which the connection falls silent or closes. */
  readonly at?: { readonly says: string; readonly act: "silence" | "close" };
}

export async function proxyTo(port: number, { cutAfter = () => undefined, passive, at }: ProxyOptions): Promise<Proxy> {
  const servers = new Set<net.Server>();
  const sockets = new Set<Socket>();
  let cuts = 0;
  const listen = async (target: number, isData: boolean): Promise<number> => {
    const server = net.createServer({ noDelay: true, allowHalfOpen: true }, (client) => join(client, target, isData));
    servers.add(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return (server.address() as AddressInfo).port;
  };
  const join = (client: Socket, target: number, isData: boolean) => {
    const server = net.connect({ port: target, host: "127.0.0.1", noDelay: true, allowHalfOpen: true });
    let left = cutAfter() ?? Number.POSITIVE_INFINITY;
    let silent = false;
    const end = () => {
      client.destroy();
      server.destroy();
    };
    const pass = async (chunk: Buffer, to: Socket) => {
      if (silent) return;
      if (!isData && at && chunk.toString("latin1").includes(at.says)) {
        silent = true;
        return at.act === "close" ? end() : undefined;
      }
      let part = chunk.subarray(0, left);
      left -= part.length;
      // ftp-srv treats half a command as a whole one. That bug is not under test, so only whole lines are forwarded.
      if (passive && !isData && to === server) part = part.subarray(0, part.lastIndexOf("\n") + 1);
      to.write(passive && !isData && to === client ? await rewritten(part) : part);
      if (left > 0) return;
      silent = true;
      cuts++;
      // Leaves the forwarded bytes time to arrive.
      setTimeout(end, 5);
    };
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      sockets.add(from);
      from.on("data", (chunk: Buffer) => void pass(chunk, to));
      from.on("end", () => !silent && to.end());
      from.on("error", () => to.destroy());
      from.on("close", () => sockets.delete(from));
    }
  };
  /** Replaces the port of a passive data connection by one of this proxy. Source: RFC 2428, 3. */
  const rewritten = async (chunk: Buffer): Promise<Buffer> => {
    const [, data] = /^229 [^|]*\(\|\|\|(\d+)\|\)/m.exec(chunk.toString("latin1")) ?? [];
    if (data === undefined) return chunk;
    return Buffer.from(chunk.toString("latin1").replace(data, String(await listen(Number(data), true))), "latin1");
  };
  const own = await listen(port, false);
  return {
    port: own,
    get cuts() {
      return cuts;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await Promise.all([...servers].map((server) => new Promise((resolve) => server.close(resolve))));
    },
  };
}
