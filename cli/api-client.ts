import { existsSync } from "node:fs";
import { userInfo } from "node:os";
import type { Command } from "commander";
import type * as z from "zod";
import { BridgeError } from "../bridge/values/bridge-error.ts";
import { createOpsApp } from "../ops/app.ts";
import { problemSchema } from "../ops/problem.ts";
import { SheetsError } from "../platform/local/sheet-watcher.ts";
import { type ApiEndpoint, localOps, readApiEndpoint } from "./api-server.ts";
import { exitCodes } from "./output.ts";
import { type StoreOptions, storeCommand, withBridge } from "./with-bridge.ts";

export interface OpsOptions extends StoreOptions {
  readonly url?: string;
  readonly token?: string;
  readonly stack?: string;
}

/** Creates a command that uses the operator API of the local store, of a URL, or of a deployment on AWS. */
export function opsCommand(name: string, description: string): Command {
  return storeCommand(name, description)
    .option("--stack <name>", "use the deployment with this name on AWS, with your own AWS credentials and region")
    .option("--url <url>", "use the bridge that serves its API at this URL")
    .option("--token <token>", "the API token (default: BRIDGE_TOKEN, or the token in the store's folder)");
}

/** Returns true if the options name a bridge other than the one with the local store. */
export function isRemote({ url, stack }: OpsOptions): boolean {
  return url !== undefined || stack !== undefined;
}

/** A problem returned by the operator API. */
export class ApiError extends BridgeError {
  override readonly name = "ApiError";
  readonly exitCode: number;

  constructor(problem: z.output<typeof problemSchema>) {
    const { type, title, detail, status, faults = [] } = problem;
    // For these problems the detail says everything, and the title would only repeat it.
    const isDetailComplete = type === "urn:hms-bridge:missing" || status === 422;
    const message = isDetailComplete
      ? detail.replace(/^[A-Z](?=[a-z]* )/, (first) => first.toLowerCase())
      : `${title.toLowerCase()}. ${detail}`;
    super(
      "api-problem",
      [message.replace(/\.$/, ""), ...faults.map(({ where, what }) => `  ${where} ${what}`)].join("\n"),
    );
    const isInvalidCall = status === 400 || type === "urn:hms-bridge:unknown-connector";
    const isNegative = status === 404 || status === 409 || status === 422;
    this.exitCode = isInvalidCall ? exitCodes.wrongCall : isNegative ? exitCodes.no : exitCodes.couldNot;
  }
}

/** A client of the operator API. It parses responses with the server's own schemas. */
export interface OpsClient {
  /** @throws {ApiError} if the API returns a problem */
  get<T extends z.ZodType>(path: string, answer: T): Promise<z.output<T>>;
  post<T extends z.ZodType>(path: string, body: unknown, answer: T): Promise<z.output<T>>;
}

type RequestOptions = { readonly method: string; readonly headers: Record<string, string>; readonly body?: string };
type Ask = (path: string, init: RequestOptions) => Response | Promise<Response>;

/**
 * Opens the operator API for one command.
 *
 * For the local store, it uses the API of the process that works on the store. If no process does, this process opens
 * the store and handles the requests itself.
 *
 * @param needs `work`: true if this process must map and deliver when no other process does. `sheets`: `"if good"` if
 * the command can also run when the sheets are missing or invalid.
 */
export async function withOps<T>(
  options: OpsOptions,
  needs: { readonly work: boolean; readonly sheets?: "needed" | "if good" },
  use: (client: OpsClient) => Promise<T>,
): Promise<T> {
  const { stack, url, dir, mappings } = options;
  const { work, sheets = "needed" } = needs;
  if (stack !== undefined && url !== undefined) throw new TypeError("give either --stack or --url, not both");
  if (stack !== undefined) {
    const { openDeployedApi } = await import("../platform/aws/signed-fetch.ts");
    return use(createClient(await openDeployedApi(stack)));
  }
  const token = options.token ?? process.env.BRIDGE_TOKEN;
  if (url !== undefined) {
    const knownToken = token ?? readApiEndpoint(dir)?.token;
    if (knownToken === undefined) throw new TypeError(`${dir} has no API token; give --token or set BRIDGE_TOKEN`);
    return use(createClient(askOverHttp(url, knownToken)));
  }
  const served = await findApiEndpoint(dir);
  if (served) return use(createClient(askOverHttp(served.url, served.token)));
  const inProcess = (withSheets: boolean) =>
    withBridge(options, { work, sheets: withSheets }, async (bridge) => {
      const app = createOpsApp(localOps(await bridge.engine()), {
        guard: (_, next) => next(),
        actorOf: () => userInfo().username,
      });
      return use(createClient((path, init) => app.request(path, init)));
    });
  if (sheets === "needed") return inProcess(true);
  return inProcess(existsSync(mappings)).catch((error: unknown) => {
    if (!(error instanceof SheetsError)) throw error;
    console.error(error.message);
    return inProcess(false);
  });
}

function askOverHttp(url: string, token: string): Ask {
  return (path, init) =>
    fetch(new URL(path, url), { ...init, headers: { ...init.headers, authorization: `Bearer ${token}` } }).catch(
      (error: Error) => {
        throw new Error(`no bridge responds at ${url}; check the URL and that "bridge serve" is running`, {
          cause: error,
        });
      },
    );
}

/** Finds the API of the process that works on the local store. Returns undefined if no process serves one. */
export async function findApiEndpoint(dir: string): Promise<ApiEndpoint | undefined> {
  const recorded = readApiEndpoint(dir);
  return recorded && (await isServed(askOverHttp(recorded.url, recorded.token))) ? recorded : undefined;
}

/** Checks that the API responds. A killed process leaves behind the address of an API that no longer exists. */
async function isServed(ask: Ask): Promise<boolean> {
  try {
    return (await ask("/api/me", { method: "GET", headers: {} })).ok;
  } catch {
    return false;
  }
}

function createClient(ask: Ask): OpsClient {
  const call = async <T extends z.ZodType>(method: string, path: string, body: unknown, answer: T) => {
    const response = await ask(path, {
      method,
      headers: body === undefined ? {} : { "content-type": "application/json" },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const content: unknown = await response.json().catch(() => undefined);
    if (response.ok) return answer.parse(content);
    const problem = problemSchema.safeParse(content);
    if (problem.success) throw new ApiError(problem.data);
    // A gateway in front of the API does not send problem details.
    if (response.status === 403) {
      throw new Error("access denied; your credentials have expired or do not permit this operation");
    }
    throw new Error(`the API answered ${response.status}; see the log of the bridge that serves it`);
  };
  return {
    get: (path, answer) => call("GET", path, undefined, answer),
    post: (path, body, answer) => call("POST", path, body, answer),
  };
}

/** Builds a path with a query string. Omits undefined parameters. */
export function pathOf(
  path: string,
  query: Readonly<Record<string, string | number | readonly string[] | undefined>>,
): string {
  const parameters = new URLSearchParams();
  for (const [name, values] of Object.entries(query)) {
    for (const value of values === undefined ? [] : [values].flat()) parameters.append(name, String(value));
  }
  return parameters.size > 0 ? `${path}?${parameters}` : path;
}
