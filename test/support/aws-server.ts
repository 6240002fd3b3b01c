import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";

export interface Asked {
  /** `PutEvents` */
  readonly action: string;
  // biome-ignore lint/suspicious/noExplicitAny: every action's request has another shape
  readonly body: any;
}

/** A server on loopback that speaks the JSON protocol of AWS services and answers as the test decides. */
export interface AwsServer extends AsyncDisposable {
  readonly asked: readonly Asked[];
  /** Configuration of an SDK client that calls this server. */
  readonly client: {
    readonly endpoint: string;
    readonly region: string;
    readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  };
}

/** An AWS error to answer with. */
export class Refusal {
  readonly code: string;

  /** @param code error code from the service's API reference, such as `ThrottlingException` */
  constructor(code: string) {
    this.code = code;
  }
}

/** @param answer returns the response body, or a `Refusal`; `undefined` is an empty body */
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
