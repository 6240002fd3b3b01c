import type { Packet } from "./api-types.ts";
import { refused, token, wasKnown } from "./session.ts";

interface ProblemBody {
  readonly type: string;
  readonly title: string;
  readonly detail: string;
  readonly faults?: readonly { readonly where: string; readonly what: string }[];
  readonly now?: { readonly etag: number; readonly packet: Packet };
}

/** Reason for which a call failed, in words for the operator. */
export class ProblemError extends Error {
  readonly title: string;
  readonly detail: string;
  readonly faults: NonNullable<ProblemBody["faults"]>;
  /** Present state of the packet, if another operator was faster. */
  readonly now: ProblemBody["now"];
  /** Nobody answered at all. */
  readonly isGone: boolean;

  constructor({ title, detail, faults = [], now, isGone = false }: Omit<ProblemBody, "type"> & { isGone?: boolean }) {
    super(title);
    this.isGone = isGone;
    this.title = title;
    this.detail = detail;
    this.faults = faults;
    this.now = now;
  }
}

export type Query = Readonly<Record<string, string | number | readonly string[] | undefined>>;

/** @throws {ProblemError} */
export function get<T>(path: string, query: Query = {}, signal?: AbortSignal): Promise<T> {
  return call<T>(`${path}${queryText(query)}`, signal ? { signal } : {});
}

/** @throws {ProblemError} */
export function post<T>(path: string, body?: object): Promise<T> {
  const json = body && { body: JSON.stringify(body), headers: { "content-type": "application/json" } };
  return call<T>(path, { method: "POST", ...json });
}

export function queryText(query: Query): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const one of [value].flat()) if (one !== undefined && one !== "") params.append(name, String(one));
  }
  return params.size > 0 ? `?${params}` : "";
}

/** A call that takes longer is given up. ms: verifying a long ledger takes minutes. */
const patience = 600_000;

async function call<T>(path: string, init: RequestInit): Promise<T> {
  const used = token.value;
  const headers = { ...init.headers, authorization: `Bearer ${used}` };
  const signals = [AbortSignal.timeout(patience), ...(init.signal ? [init.signal] : [])];
  let response: Response;
  try {
    response = await fetch(path, { ...init, headers, signal: AbortSignal.any(signals), cache: "no-store" });
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new ProblemError({
      title: "The bridge does not answer",
      detail: "Is it running? Start it with npm start; this page goes on by itself.",
      isGone: true,
    });
  }
  if (response.status === 401) {
    // Another tab's work may have brought a new token meanwhile.
    if (token.value === used) refused.value = true;
    throw new ProblemError({
      title: "The session has ended",
      detail: "Open the page anew with npx bridge console.",
    });
  }
  wasKnown.value = true;
  const body: unknown = await response.json().catch(() => undefined);
  if (!response.ok || body === undefined) throw new ProblemError(problemIn(body, response.status));
  // The API has held its answer against its schema.
  return body as T;
}

function problemIn(body: unknown, status: number): Omit<ProblemBody, "type"> {
  if (typeof body === "object" && body !== null && "title" in body && "detail" in body) return body as ProblemBody;
  return { title: `The bridge answered ${status}`, detail: "What it said is not what its API says." };
}
