import { existsSync } from "node:fs";
import { userInfo } from "node:os";
import type { Command } from "commander";
import type * as z from "zod";
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

/** A command on the operator's API: of the store here, of another address, or of a deployment. */
export function opsCommand(name: string, description: string): Command {
  return storeCommand(name, description)
    .option("--stack <name>", "of a deployment, by your own AWS credentials and region")
    .option("--url <url>", "of the bridge that serves its API there")
    .option("--token <token>", "the token for it; else BRIDGE_TOKEN, else the one in the store's folder");
}

/** Whether the bridge that is meant is not the one whose store lies here. */
export function isElsewhere({ url, stack }: OpsOptions): boolean {
  return url !== undefined || stack !== undefined;
}

/** The API said no. */
export class ApiError extends Error {
  readonly exitCode: number;

  constructor(problem: z.output<typeof problemSchema>) {
    const { type, title, detail, status, faults = [] } = problem;
    // Where the detail says all there is to say, its title would say it twice.
    const isWhole = type === "urn:hms-bridge:missing" || status === 422;
    const says = isWhole
      ? detail.replace(/^[A-Z](?=[a-z]* )/, (first) => first.toLowerCase())
      : `${title.toLowerCase()}. ${detail}`;
    super([says.replace(/\.$/, ""), ...faults.map(({ where, what }) => `  ${where} ${what}`)].join("\n"));
    const isWrong = status === 400 || type === "urn:hms-bridge:unknown-connector";
    const isNo = status === 404 || status === 409 || status === 422;
    this.exitCode = isWrong ? exitCodes.wrongCall : isNo ? exitCodes.no : exitCodes.couldNot;
  }
}

/** A thin client of the operator's API. Answers are parsed by the schemas they are served by. */
export interface OpsClient {
  /** @throws {ApiError} where the API says no */
  get<T extends z.ZodType>(path: string, answer: T): Promise<z.output<T>>;
  post<T extends z.ZodType>(path: string, body: unknown, answer: T): Promise<z.output<T>>;
}

type Asked = { readonly method: string; readonly headers: Record<string, string>; readonly body?: string };
type Ask = (path: string, init: Asked) => Response | Promise<Response>;

/**
 * Opens the API for one command.
 *
 * Of the store here: that of the process which works on it; where none does, it is answered by this process.
 *
 * @param work whether this process has to work on the store where no other does; `sheets`: whether it can do
 * without them, where they are faulty or not here
 */
export async function withOps<T>(
  options: OpsOptions,
  { work, sheets = "needed" }: { readonly work: boolean; readonly sheets?: "needed" | "if good" },
  use: (client: OpsClient) => Promise<T>,
): Promise<T> {
  const { stack, url, dir, mappings } = options;
  if (stack !== undefined && url !== undefined) throw new TypeError("give --stack or --url, and not both");
  if (stack !== undefined) {
    const { openDeployedApi } = await import("../platform/aws/signed-fetch.ts");
    return use(clientOf(await openDeployedApi(stack)));
  }
  const token = options.token ?? process.env.BRIDGE_TOKEN;
  if (url !== undefined) {
    const known = token ?? readApiEndpoint(dir)?.token;
    if (known === undefined) throw new TypeError(`give --token, or set BRIDGE_TOKEN; no token lies in ${dir}`);
    return use(clientOf(over(url, known)));
  }
  const door = await findApiEndpoint(dir);
  if (door) return use(clientOf(over(door.url, door.token)));
  const here = (withSheets: boolean) =>
    withBridge(options, { work, sheets: withSheets }, async (bridge) => {
      const app = createOpsApp(localOps(await bridge.engine()), {
        guard: (_, next) => next(),
        actorOf: () => userInfo().username,
      });
      return use(clientOf((path, init) => app.request(path, init)));
    });
  if (sheets === "needed") return here(true);
  return here(existsSync(mappings)).catch((error: unknown) => {
    if (!(error instanceof SheetsError)) throw error;
    console.error(error.message);
    return here(false);
  });
}

function over(url: string, token: string): Ask {
  return (path, init) =>
    fetch(new URL(path, url), { ...init, headers: { ...init.headers, authorization: `Bearer ${token}` } }).catch(
      (error: Error) => {
        throw new Error(`nobody answers at ${url}; is "bridge serve" running?`, { cause: error });
      },
    );
}

/** The API of the process that works on the store here; nothing where none does. */
export async function findApiEndpoint(dir: string): Promise<ApiEndpoint | undefined> {
  const door = readApiEndpoint(dir);
  return door && (await isOpen(over(door.url, door.token))) ? door : undefined;
}

/** A process that was killed leaves word of an API that is no more. */
async function isOpen(ask: Ask): Promise<boolean> {
  try {
    return (await ask("/api/me", { method: "GET", headers: {} })).ok;
  } catch {
    return false;
  }
}

function clientOf(ask: Ask): OpsClient {
  const call = async <T extends z.ZodType>(method: string, path: string, body: unknown, answer: T) => {
    const response = await ask(path, {
      method,
      headers: body === undefined ? {} : { "content-type": "application/json" },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const told: unknown = await response.json().catch(() => undefined);
    if (response.ok) return answer.parse(told);
    const problem = problemSchema.safeParse(told);
    if (problem.success) throw new ApiError(problem.data);
    // What stands before the API speaks another language: a gateway's refusal, say.
    if (response.status === 403) throw new Error("refused: these credentials may not call this operation of the API");
    throw new Error(`the API answered ${response.status}; see its log`);
  };
  return {
    get: (path, answer) => call("GET", path, undefined, answer),
    post: (path, body, answer) => call("POST", path, body, answer),
  };
}

/** A path with a query, without what is not given. */
export function pathOf(
  path: string,
  query: Readonly<Record<string, string | number | readonly string[] | undefined>>,
): string {
  const asked = new URLSearchParams();
  for (const [name, given] of Object.entries(query)) {
    for (const value of given === undefined ? [] : [given].flat()) asked.append(name, String(value));
  }
  return asked.size > 0 ? `${path}?${asked}` : path;
}
