import type { Packet } from "./api-types.ts";
import { isRejected, token, wasAccepted } from "./session.ts";

interface ProblemBody {
  readonly type: string;
  readonly title: string;
  readonly detail: string;
  readonly faults?: readonly { readonly where: string; readonly what: string }[];
  readonly now?: { readonly etag: number; readonly packet: Packet };
}

type ProblemInit = Omit<ProblemBody, "type"> & { readonly isOffline?: boolean };

/** Failure of an API call, described for the operator. */
export class ProblemError extends Error {
  readonly title: string;
  readonly detail: string;
  readonly faults: NonNullable<ProblemBody["faults"]>;
  /** Current state of the packet, if someone else changed it first. */
  readonly now: ProblemBody["now"];
  /** True if there was no response at all. */
  readonly isOffline: boolean;

  constructor({ title, detail, faults = [], now, isOffline = false }: ProblemInit) {
    super(title);
    this.isOffline = isOffline;
    this.title = title;
    this.detail = detail;
    this.faults = faults;
    this.now = now;
  }
}

export type Query = Readonly<Record<string, string | number | readonly string[] | undefined>>;

/** @throws {ProblemError} if the call fails */
export function get<T>(path: string, query: Query = {}, signal?: AbortSignal): Promise<T> {
  return call<T>(`${path}${queryText(query)}`, signal ? { signal } : {});
}

/** @throws {ProblemError} if the call fails */
export function post<T>(path: string, body?: object): Promise<T> {
  const json = body && { body: JSON.stringify(body), headers: { "content-type": "application/json" } };
  return call<T>(path, { method: "POST", ...json });
}

export function queryText(query: Query): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const item of [value].flat()) if (item !== undefined && item !== "") params.append(name, String(item));
  }
  return params.size > 0 ? `?${params}` : "";
}

/** Longest duration of one call. ms. Verifying a long ledger takes minutes. */
const timeoutMs = 600_000;

async function call<T>(path: string, init: RequestInit): Promise<T> {
  const usedToken = token.value;
  const headers = { ...init.headers, authorization: `Bearer ${usedToken}` };
  const signals = [AbortSignal.timeout(timeoutMs), ...(init.signal ? [init.signal] : [])];
  let response: Response;
  try {
    response = await fetch(path, { ...init, headers, signal: AbortSignal.any(signals), cache: "no-store" });
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new ProblemError({
      title: "The bridge is not responding",
      detail: "Is it running? Start it with npm start. This page reconnects by itself.",
      isOffline: true,
    });
  }
  if (response.status === 401) {
    // The operator may have entered a new token since this call began.
    if (token.value === usedToken) isRejected.value = true;
    throw new ProblemError({
      title: "The session has ended",
      detail: "Run npx bridge console for a new link.",
    });
  }
  wasAccepted.value = true;
  const body: unknown = await response.json().catch(() => undefined);
  if (!response.ok || body === undefined) throw new ProblemError(problemIn(body, response.status));
  // The API has checked its response against the schema.
  return body as T;
}

function problemIn(body: unknown, status: number): Omit<ProblemBody, "type"> {
  if (typeof body === "object" && body !== null && "title" in body && "detail" in body) return body as ProblemBody;
  return { title: `The bridge returned HTTP ${status}`, detail: "The response is not in the format of the API." };
}
