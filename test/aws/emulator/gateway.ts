import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { SQSClient } from "@aws-sdk/client-sqs";
import type { Call } from "../../support/grants.ts";
import { callsOf } from "./calls.ts";
import { account, region, rootCredentials } from "./emulator.ts";
import { MoveTasks, SqsError } from "./move-tasks.ts";
import { validatorsAt } from "./validators.ts";

/** A request of a function, with the permissions it needs. */
export interface Recorded {
  /** Access key that signed the request. */
  readonly accessKey: string;
  /** `dynamodb.ExecuteTransaction` */
  readonly operation: string;
  readonly calls: readonly Call[];
  readonly input: string;
  /** True if the request names something that does not exist. */
  notFound: boolean;
}

/** Returns true if the policies of the holder of these credentials allow the call. */
export type Authorize = (accessKey: string, call: Call) => boolean;

/** Proxy in front of the emulator for all requests of the tests, the CDK and the functions. */
export interface Gateway extends AsyncDisposable {
  readonly url: string;
  /** Requests of the functions, oldest first. */
  readonly recorded: Recorded[];
  /** Port of the emulator, 0 until it is known. */
  emulatorPort: number;
  /** Authorizes calls that the emulator cannot check. If absent, every call is allowed. */
  authorize: Authorize | undefined;
  /** Returns an error code to answer a function's request with, instead of forwarding it. */
  fault: ((request: Recorded) => string | undefined) | undefined;
}

/**
 * Provides what the emulator lacks, following AWS's documented rules: message move tasks, AppConfig's Lambda validators,
 * and IAM's view of PartiQL. Marks requests as sent over TLS, as they are to AWS, and records them.
 *
 * @param now clock of the move tasks, in ms
 */
export async function openGateway(now: () => number = Date.now): Promise<Gateway> {
  const server = http.createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return new EmulatorGateway(server, now);
}

class EmulatorGateway implements Gateway {
  readonly url: string;
  readonly recorded: Recorded[] = [];
  emulatorPort = 0;
  authorize: Authorize | undefined;
  fault: ((request: Recorded) => string | undefined) | undefined;
  readonly #agent = new http.Agent({ keepAlive: true });
  readonly #server: http.Server;
  readonly #sqs: SQSClient;
  readonly #moves: MoveTasks;
  readonly #validate: ReturnType<typeof validatorsAt>;

  constructor(server: http.Server, now: () => number) {
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    this.#server = server;
    this.#sqs = new SQSClient({
      endpoint: this.url,
      region,
      credentials: rootCredentials,
      useQueueUrlAsEndpoint: false,
    });
    this.#moves = new MoveTasks(this.#sqs, now);
    this.#validate = validatorsAt(this.url);
    server.on("request", (request, response) => {
      this.#serve(request, response).catch((error: Error) => {
        if (!response.headersSent)
          reject(response, error instanceof SqsError ? error.code : "InternalError", error.message);
        else response.destroy();
      });
    });
  }

  async [Symbol.asyncDispose]() {
    this.#moves.end();
    this.#sqs.destroy();
    this.#agent.destroy();
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  async #serve(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const target = request.headers["x-amz-target"] as string | undefined;
    const operation = target?.split(".").at(-1) ?? "";
    const signer = signerOf(request.headers.authorization);
    let recorded: Recorded | undefined;
    if (signer?.accessKey.startsWith(sessionKey) && !/\baws-cdk\//.test(request.headers["user-agent"] ?? "")) {
      const input = body.toString();
      const path = request.url ?? "/";
      const calls = callsOf({ ...signer, account, method: request.method ?? "", path, target, body: input });
      const what = `${signer.service}.${operation || request.method}`;
      recorded = { accessKey: signer.accessKey, operation: what, calls, input, notFound: false };
      this.recorded.push(recorded);
      const rejection = this.#rejectionOf(recorded, operation);
      if (rejection) return reject(response, ...rejection);
    }
    if (signer?.service === "sqs" && MoveTasks.serves(operation)) {
      const answer = await this.#moves.answer(operation, JSON.parse(body.toString()));
      response.writeHead(200, { "content-type": "application/x-amz-json-1.0" }).end(JSON.stringify(answer));
      return;
    }
    const application = deploymentIn(request);
    const invalid = application && (await this.#validate(application, body.toString()));
    if (invalid) return reject(response, "BadRequestException", invalid);
    const error = await this.#forward(request, response, body);
    if (recorded) recorded.notFound = error.includes("ResourceNotFoundException");
  }

  /** Returns the code and message of an injected error or a denial, if a function's request is to be rejected. */
  #rejectionOf(recorded: Recorded, operation: string): readonly [code: string, message: string] | undefined {
    const { accessKey, calls } = recorded;
    const fault = this.fault?.(recorded);
    if (fault) return [fault, "a fault the test has made"];
    const judgedHere = MoveTasks.serves(operation) || calls.some(({ action }) => action.includes("PartiQL"));
    const denied = judgedHere ? calls.find((call) => this.authorize?.(accessKey, call) === false) : undefined;
    return denied && ["AccessDeniedException", `not authorized to perform ${denied.action} on ${denied.resource}`];
  }

  /** @returns the body of an error answer, "" for any other answer */
  #forward(request: http.IncomingMessage, response: http.ServerResponse, body: Buffer): Promise<string> {
    return new Promise((resolve, reject) => {
      const onward = http.request(
        {
          agent: this.#agent,
          host: "127.0.0.1",
          port: this.emulatorPort,
          method: request.method,
          path: request.url,
          // The signature covers the host header, so it is passed on unchanged.
          headers: { ...request.headers, "x-forwarded-proto": "https", "content-length": body.length },
        },
        (answer) => {
          response.writeHead(answer.statusCode ?? 502, answer.headers);
          const error: Buffer[] = [];
          if (answer.statusCode === 400) answer.on("data", (chunk: Buffer) => error.push(chunk));
          answer.pipe(response);
          answer.once("end", () => resolve(Buffer.concat(error).toString()));
          answer.once("error", reject);
        },
      );
      onward.once("error", reject);
      onward.end(body);
    });
  }
}

/** Prefix of the access keys of role sessions, which functions and the CDK use. */
const sessionKey = "ASIA";

/** Returns the signer of a request, with service and region. Source: Signature Version 4, credential scope. */
function signerOf(authorization = ""): { accessKey: string; region: string; service: string } | undefined {
  const [, accessKey, region, service] =
    /Credential=([^/]+)\/\d+\/([^/]+)\/([^/]+)\/aws4_request/.exec(authorization) ?? [];
  return accessKey && region && service ? { accessKey, region, service } : undefined;
}

/** Returns the AppConfig application of a deployment request. Source: AppConfig API reference, `StartDeployment`. */
function deploymentIn({ method, url = "" }: http.IncomingMessage): string | undefined {
  return method === "POST" ? /^\/applications\/([^/]+)\/environments\/[^/]+\/deployments$/.exec(url)?.[1] : undefined;
}

function reject(response: http.ServerResponse, code: string, message: string): void {
  response.writeHead(400, { "content-type": "application/x-amz-json-1.0", "x-amzn-errortype": code });
  response.end(JSON.stringify({ __type: code, message, Message: message }));
}
