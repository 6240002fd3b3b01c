import net, { type AddressInfo, type Socket } from "node:net";

/** What stands between a client and a server, and breaks what passes. */
export interface Proxy extends AsyncDisposable {
  readonly port: number;
  /** Connections it has cut. */
  readonly cuts: number;
}

export interface ProxyOptions {
  /** How many bytes a connection may carry, both ways together, before it is cut. Absent: as many as it likes. */
  readonly cutAfter?: () => number | undefined;
  /** FTP in the clear: whether data connections go through here too. */
  readonly passive?: boolean;
  /** FTP in the clear: the command, or the greeting (`220`), at which it falls silent or closes. */
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
      // A server that takes half a command for a whole one is ftp-srv's fault, and not what is looked for here.
      if (passive && !isData && to === server) part = part.subarray(0, part.lastIndexOf("\n") + 1);
      to.write(passive && !isData && to === client ? await rewritten(part) : part);
      if (left > 0) return;
      silent = true;
      cuts++;
      // What was let through gets there.
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
  /** The port of a data connection, led through here. Source: RFC 2428, 3. */
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
