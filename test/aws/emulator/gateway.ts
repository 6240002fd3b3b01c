import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { SQSClient } from "@aws-sdk/client-sqs";
import type { Call } from "../../support/grants.ts";
import { callsOf } from "./calls.ts";
import { account, region, rootCredentials } from "./emulator.ts";
import { MoveTasks, SqsError } from "./move-tasks.ts";
import { validatorsAt } from "./validators.ts";

/** A request some function made, and what it takes to be allowed it. */
export interface Recorded {
  /** Whose credentials signed it. */
  readonly accessKey: string;
  /** `dynamodb.ExecuteTransaction` */
  readonly operation: string;
  readonly calls: readonly Call[];
  readonly input: string;
  /** What it names does not exist. */
  notFound: boolean;
}

/** Whether these credentials may do this, by the policies of whoever has them. */
export type Authorize = (accessKey: string, call: Call) => boolean;

/** The way to the emulator: every request of the tests, of the CDK and of the functions goes through it. */
export interface Gateway extends AsyncDisposable {
  readonly url: string;
  /** What functions asked for, oldest first. */
  readonly recorded: Recorded[];
  /** Where the emulator is, once it is known. */
  emulatorPort: number;
  /** Who may do what the emulator itself cannot judge; absent: everybody. */
  authorize: Authorize | undefined;
  /** The error a function's request is answered with, in place of what the emulator would say. */
  fault: ((request: Recorded) => string | undefined) | undefined;
}

/**
 * Gives what the emulator lacks, by AWS's documented rules: message move tasks, AppConfig's Lambda validators, and IAM's
 * view of PartiQL. Tells it that requests come by TLS, as they do to AWS. And records.
 *
 * @param now the clock of move tasks, ms
 */
export async function openGateway(now: () => number = Date.now): Promise<Gateway> {
  const agent = new http.Agent({ keepAlive: true });
  const server = http.createServer((request, response) => {
    serve(request, response).catch((error: Error) => {
      if (!response.headersSent)
        refuse(response, error instanceof SqsError ? error.code : "InternalError", error.message);
      else response.destroy();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const sqs = new SQSClient({ endpoint: url, region, credentials: rootCredentials, useQueueUrlAsEndpoint: false });
  const moves = new MoveTasks(sqs, now);
  const validate = validatorsAt(url);
  const gateway: Gateway = {
    url,
    recorded: [],
    emulatorPort: 0,
    authorize: undefined,
    fault: undefined,
    async [Symbol.asyncDispose]() {
      moves.end();
      sqs.destroy();
      agent.destroy();
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };

  async function serve(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
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
      gateway.recorded.push(recorded);
      const fault = gateway.fault?.(recorded);
      if (fault) return refuse(response, fault, "a fault the test has made");
      const judgedHere = MoveTasks.serves(operation) || calls.some(({ action }) => action.includes("PartiQL"));
      const denied = judgedHere && calls.find((call) => gateway.authorize?.(signer.accessKey, call) === false);
      if (denied) {
        return refuse(
          response,
          "AccessDeniedException",
          `not authorized to perform ${denied.action} on ${denied.resource}`,
        );
      }
    }
    if (signer?.service === "sqs" && MoveTasks.serves(operation)) {
      const answer = await moves.answer(operation, JSON.parse(body.toString()));
      response.writeHead(200, { "content-type": "application/x-amz-json-1.0" }).end(JSON.stringify(answer));
      return;
    }
    const application = deploymentIn(request);
    const invalid = application && (await validate(application, body.toString()));
    if (invalid) return refuse(response, "BadRequestException", invalid);
    const error = await forward(request, response, body);
    if (recorded) recorded.notFound = error.includes("ResourceNotFoundException");
  }

  /** @returns what an answer that is an error says */
  function forward(request: http.IncomingMessage, response: http.ServerResponse, body: Buffer): Promise<string> {
    return new Promise((resolve, reject) => {
      const onward = http.request(
        {
          agent,
          host: "127.0.0.1",
          port: gateway.emulatorPort,
          method: request.method,
          path: request.url,
          // Host and all: it is what was signed.
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

  return gateway;
}

/** What the access key of a role's session begins with: a function's, and the CDK's while it deploys. */
const sessionKey = "ASIA";

/** Who signed a request, for which service and region. Source: Signature Version 4, the credential scope. */
function signerOf(authorization = ""): { accessKey: string; region: string; service: string } | undefined {
  const [, accessKey, region, service] =
    /Credential=([^/]+)\/\d+\/([^/]+)\/([^/]+)\/aws4_request/.exec(authorization) ?? [];
  return accessKey && region && service ? { accessKey, region, service } : undefined;
}

/** The application whose configuration a request begins to deploy. Source: AppConfig API reference, `StartDeployment`. */
function deploymentIn({ method, url = "" }: http.IncomingMessage): string | undefined {
  return method === "POST" ? /^\/applications\/([^/]+)\/environments\/[^/]+\/deployments$/.exec(url)?.[1] : undefined;
}

function refuse(response: http.ServerResponse, code: string, message: string): void {
  response.writeHead(400, { "content-type": "application/x-amz-json-1.0", "x-amzn-errortype": code });
  response.end(JSON.stringify({ __type: code, message, Message: message }));
}
