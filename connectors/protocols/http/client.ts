import type { Http, HttpRequest, HttpResponse } from "../../../bridge/model/connector.ts";
import { delivered, type Outcome, refused, retry } from "../../../bridge/model/outcome.ts";
import { BridgeError } from "../../../bridge/values/bridge-error.ts";
import { connectionErrorText } from "./connection-error.ts";
import { nodeTransport } from "./node-transport.ts";
import { describeProblem } from "./problem-details.ts";
import type { HttpTransport, Listener, OpenTransport } from "./transport.ts";

/** Options of `createHttp`. */
export interface HttpOptions {
  /** Hosts that may be called, each as `host` or `host:port`. */
  readonly allowedHosts: readonly string[];
  readonly connectMs?: number;
  /** Time limit from the end of the request to the response headers. */
  readonly headersMs?: number;
  /** Time limit from the response headers to the end of the body. */
  readonly bodyMs?: number;
  readonly maxBodyBytes?: number;
  /** Default: Node's built-in client. */
  readonly transport?: OpenTransport;
}

/** Thrown if a request is not allowed, or if no complete response arrived. */
export class HttpError extends BridgeError {
  override readonly name = "HttpError";
  /** True if the target may have acted on the request. */
  readonly mayHaveLanded: boolean;
  /** True if the target rejected the client certificate, or requires one that was not sent. */
  readonly certificateRefused: boolean;

  constructor(message: string, mayHaveLanded: boolean, cause?: unknown) {
    const certificateRefused = isCertificateRefusal(cause);
    super("http-failed", certificateRefused ? "it rejected the client certificate" : message, { cause });
    this.certificateRefused = certificateRefused;
    this.mayHaveLanded = mayHaveLanded && !certificateRefused;
  }
}

/**
 * Returns true if a TLS alert rejects the client certificate. In TLS 1.3 the alert arrives after the request was sent,
 * but the server has not read the request.
 */
function isCertificateRefusal(cause: unknown): boolean {
  const { code = "" } = (cause ?? {}) as NodeJS.ErrnoException;
  return /ALERT_(BAD_CERTIFICATE|CERTIFICATE_|UNKNOWN_CA|UNSUPPORTED_CERTIFICATE|ACCESS_DENIED|HANDSHAKE_FAILURE)/.test(
    code,
  );
}

/** Converts an `HttpError` into an outcome. @throws any other error unchanged */
export function outcomeOfError(error: unknown): Outcome {
  if (!(error instanceof HttpError)) throw error;
  const { message, mayHaveLanded, certificateRefused } = error;
  return certificateRefused
    ? retry(message, { mayHaveLanded, auth: true })
    : retry(message, { code: "no-answer", mayHaveLanded });
}

/**
 * Creates the HTTP client of one connector.
 *
 * Keeps connections alive and limits the time for connecting, for the response headers and for the body. Reads at most
 * `maxBodyBytes`, follows no redirects, calls only the allowed hosts, and requires https unless the host is loopback.
 */
export function createHttp(options: HttpOptions): Http {
  const { allowedHosts, connectMs = 2_000, headersMs = 4_000, bodyMs = 4_000, maxBodyBytes = 1_048_576 } = options;
  const transport = (options.transport ?? nodeTransport)(connectMs);
  const limits = { connectMs, headersMs, bodyMs, maxBodyBytes };
  const send = (request: HttpRequest) => exchange(transport, limits, request, checkUrl(request.url, allowedHosts));
  return {
    request: send,
    async deliver(request) {
      try {
        const url = checkUrl(request.url, allowedHosts);
        return outcomeOfExchange(request, await exchange(transport, limits, request, url), url.pathname);
      } catch (error) {
        return outcomeOfError(error);
      }
    },
    async isAwake(url, signal, tls) {
      try {
        return (await send({ method: "GET", url, tls, ...(signal && { signal }) })).status < 500;
      } catch (error) {
        if (error instanceof HttpError) return false;
        throw error;
      }
    },
  };
}

type ExchangeLimits = Required<Pick<HttpOptions, "connectMs" | "headersMs" | "bodyMs" | "maxBodyBytes">>;

/**
 * Sends one request and reads its response, with a time limit for each phase.
 *
 * @throws {HttpError} if no complete response arrives
 */
function exchange(
  transport: HttpTransport,
  { connectMs, headersMs, bodyMs, maxBodyBytes }: ExchangeLimits,
  request: HttpRequest,
  url: URL,
): Promise<HttpResponse> {
  const { method, tls, signal } = request;
  const body = request.json === undefined ? request.text?.body : JSON.stringify(request.json);
  const type = request.json === undefined ? (request.text?.type ?? "") : (request.jsonType ?? "application/json");
  const headers = headersOf(request, url, body === undefined ? undefined : { body, type });
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(new HttpError(outOfTime, false));
    let sent = false;
    let status = 0;
    let responseHeaders: HttpResponse["headers"] | undefined;
    const chunks: Buffer[] = [];
    let size = 0;
    let phase = { until: performance.now() + connectMs, onTimeout: `no connection within ${connectMs} ms` };
    const startPhase = (ms: number, onTimeout: string) => {
      phase = { until: performance.now() + ms, onTimeout };
    };
    // All phases share one timer. It is set again only if the current phase has time left.
    const checkTime = () => {
      const leftMs = phase.until - performance.now();
      if (leftMs > 0) timer = setTimeout(checkTime, leftMs);
      else fail(phase.onTimeout);
    };
    let timer = setTimeout(checkTime, connectMs);
    let closeConnection = () => {};
    const cleanUp = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    };
    const fail = (message: string, cause?: unknown) => {
      cleanUp();
      reject(new HttpError(message, sent, cause));
      closeConnection();
    };
    const abort = () => fail(outOfTime);
    signal?.addEventListener("abort", abort, { once: true });
    const listener: Listener = {
      begun() {
        sent = true;
        startPhase(headersMs, `no answer within ${headersMs} ms`);
      },
      head(...received) {
        [status, responseHeaders] = received;
        startPhase(bodyMs, `the response body did not end within ${bodyMs} ms`);
      },
      data(chunk) {
        size += chunk.length;
        if (size > maxBodyBytes) return fail(`the response is larger than ${maxBodyBytes} bytes`);
        chunks.push(chunk);
      },
      ended() {
        cleanUp();
        resolve({ status, headers: responseHeaders ?? {}, body: Buffer.concat(chunks).toString("utf8") });
      },
      failed: (error) => fail(responseHeaders ? "the response was cut off" : connectionErrorText(error), error),
    };
    try {
      closeConnection = transport({ method, url, headers, body, tls }, listener);
    } catch (error) {
      cleanUp();
      reject(error);
    }
  });
}

const outOfTime = "the attempt ran out of time";

/** Returns all request headers as a list. A header of the request replaces a default one, ignoring case. */
function headersOf(
  { method, headers: own = {}, idempotencyKey }: HttpRequest,
  url: URL,
  content: { readonly body: string; readonly type: string } | undefined,
): string[] {
  const headers: Record<string, string> = {
    host: url.host,
    accept: "application/json",
    "user-agent": "hms-sync-bridge",
  };
  for (const [name, value] of Object.entries(own)) headers[name.toLowerCase()] = value;
  if (content) {
    headers["content-type"] = content.type;
    headers["content-length"] = String(Buffer.byteLength(content.body));
  } else if (method === "POST" || method === "PUT" || method === "PATCH") headers["content-length"] = "0";
  if (idempotencyKey) headers["idempotency-key"] = idempotencyKey;
  return Object.entries(headers).flat();
}

/** Maximum length, in UTF-16 code units, of a refusal's body kept for the operator. */
export const maxAnswerLength = 2_048;

/**
 * Converts a response to an outcome, by the conventions of JSON APIs: 2xx is delivered; 408, 425, 429, 5xx and
 * redirects are retried; 401 and 403 are retried once with fresh credentials; any other 4xx is refused.
 *
 * A 2xx with a body that is not JSON is retried, because it is probably a login page or a proxy's response. The reason
 * of a refusal names the fields that the response reports.
 *
 * @param at location of the delivery, as shown to the operator
 * @param sent the request's body, whose values the reason must not repeat
 */
export function outcomeOf(response: HttpResponse, at: string, sent?: unknown): Outcome {
  const { status, headers, body } = response;
  if (status >= 200 && status < 300) {
    const type = first(headers["content-type"]) ?? "";
    if (body !== "" && !/^application\/([\w.+-]+\+)?json\b/i.test(type)) {
      return retry(`answered ${status} with ${type.split(";")[0] || "no content type"} instead of JSON`, { status });
    }
    if (body !== "" && !isJson(body)) return retry(`answered ${status} with a body that is not JSON`, { status });
    const location = first(headers.location);
    return delivered({ at, status, ...(location && { remoteId: location }) });
  }
  if (status === 401 || status === 403) {
    return retry(`refused the credentials (${status})`, { status, mayHaveLanded: false, auth: true });
  }
  if (status === 429 || status === 503) {
    const afterMs = retryAfterOf(response);
    return retry(`answered ${status}`, {
      status,
      mayHaveLanded: status !== 429,
      ...(afterMs !== undefined && { afterMs }),
    });
  }
  if (status >= 500 || status === 408 || status === 425) return retry(`answered ${status}`, { status });
  if (status >= 300 && status < 400) {
    return retry(`answered ${status}, a redirect, which is not followed`, { status, mayHaveLanded: false });
  }
  const problem = describeProblem(body, sent);
  const reason = problem ? `answered ${status}: ${problem}` : `answered ${status}`;
  return refused(reason, { status, ...(body && { answer: body.slice(0, maxAnswerLength) }) });
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/**
 * Converts the response to a request to an outcome. A 404 or 410 to a DELETE counts as delivered: an earlier attempt
 * whose response was lost may have deleted the resource.
 */
export function outcomeOfExchange({ method, json }: HttpRequest, response: HttpResponse, at: string): Outcome {
  const { status } = response;
  if (method === "DELETE" && (status === 404 || status === 410)) return delivered({ at, status });
  return outcomeOf(response, at, json);
}

/** Returns the delay, in ms, that a response asks for. */
export function retryAfterOf({ headers }: HttpResponse): number | undefined {
  return retryAfterMs(first(headers["retry-after"]), Date.parse(first(headers.date) ?? ""));
}

/**
 * Parses a `Retry-After` header and returns the delay in ms. A date is relative to the response's own `Date`, so the
 * target's clock may be wrong, and a past date means 0. An invalid value counts as absent.
 * Source: RFC 9110, 10.2.3.
 */
export function retryAfterMs(value: string | undefined, sentAt: number): number | undefined {
  if (value === undefined) return undefined;
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1_000;
  const until = Date.parse(value);
  if (Number.isNaN(until) || Number.isNaN(sentAt) || /^[\d.+-]+$/.test(value)) return undefined;
  return Math.max(0, until - sentAt);
}

function first(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}

/** @throws {HttpError} if the host is not allowed, or would be called without TLS */
function checkUrl(text: string, allowedHosts: readonly string[]): URL {
  const url = URL.parse(text);
  if (!url) throw new HttpError("the request's address is not a URL", false);
  if (!allowedHosts.includes(url.host))
    throw new HttpError(`${url.host} is not among the hosts in its configuration`, false);
  if (url.username || url.password) throw new HttpError("the request's address contains credentials", false);
  const loopback = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(url.hostname);
  if (url.protocol !== "https:" && !(url.protocol === "http:" && loopback)) {
    throw new HttpError(`${url.host} must be called with https`, false);
  }
  return url;
}

/**
 * Joins a base URL and path segments. Each segment is encoded, so a value cannot escape its segment.
 *
 * A segment of only dots is encoded twice, because URL parsers and servers read `%2E%2E` as the parent folder.
 */
export function joinUrl(base: string, ...parts: string[]): string {
  const encoded = parts.map((part) => (/^\.+$/.test(part) ? part.replaceAll(".", "%252E") : encodeURIComponent(part)));
  return [base.replace(/\/+$/, ""), ...encoded].join("/");
}

/** Returns the host of each URL in a configuration. They form the allowlist of a connector. */
export function hostsIn(config: unknown): string[] {
  if (typeof config === "string") {
    const url = URL.parse(config);
    return url?.host ? [url.host] : [];
  }
  if (typeof config === "object" && config !== null) return Object.values(config).flatMap(hostsIn);
  return [];
}
