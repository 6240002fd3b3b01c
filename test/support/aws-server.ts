import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";

export interface Asked {
  /** `PutEvents` */
  readonly action: string;
  // biome-ignore lint/suspicious/noExplicitAny: what the SDK sends, a shape an action
  readonly body: any;
}

/** A server on loopback that speaks the JSON protocol of AWS's services, and answers as a test says. */
export interface AwsServer extends AsyncDisposable {
  readonly asked: readonly Asked[];
  /** What a client of the SDK is made with to call it. */
  readonly client: {
    readonly endpoint: string;
    readonly region: string;
    readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  };
}

/** An answer that is an error of AWS. */
export class Refusal {
  readonly code: string;

  /** @param code as the service's reference names it: `ThrottlingException` */
  constructor(code: string) {
    this.code = code;
  }
}

/** @param answer the answer's body, or a `Refusal`; nothing is an empty body */
export async function awsServer(answer: (asked: Asked) => unknown): Promise<AwsServer> {
  const asked: Asked[] = [];
  const server = http.createServer(async (request, response) => {
    const action = String(request.headers["x-amz-target"]).split(".").at(-1) as string;
    const call = { action, body: JSON.parse(Buffer.concat(await request.toArray()).toString()) };
    asked.push(call);
    const answered = answer(call);
    const refused = answered instanceof Refusal;
    response.writeHead(refused ? 400 : 200, { "content-type": "application/x-amz-json-1.1" });
    response.end(JSON.stringify(refused ? { __type: answered.code, message: "refused" } : (answered ?? {})));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    asked,
    client: {
      endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      region: "us-gov-west-1",
      credentials: { accessKeyId: "test", secretAccessKey: "test" },
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
