import type { Http, HttpRequest, HttpResponse } from "../../../bridge/model/connector.ts";
import { delivered, type Outcome, refused, retry } from "../../../bridge/model/outcome.ts";
import { BridgeError } from "../../../bridge/values/bridge-error.ts";
import { nodeTransport } from "./node-transport.ts";
import { problemIn } from "./problem-details.ts";
import type { HttpTransport, Listener, OpenTransport } from "./transport.ts";

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

/** Why no answer came, or none that can be trusted. */
export class HttpError extends BridgeError {
  override readonly name = "HttpError";
  /** Whether the target may have acted on the request all the same. */
  readonly mayHaveLanded: boolean;
  /** The target would not speak to us with the certificate we showed, or without one. */
  readonly certificateRefused: boolean;

  constructor(message: string, mayHaveLanded: boolean, cause?: unknown) {
    const certificateRefused = refusesCertificate(cause);
    super("http-failed", certificateRefused ? "it refused our certificate" : message, { cause });
    this.certificateRefused = certificateRefused;
    this.mayHaveLanded = mayHaveLanded && !certificateRefused;
  }
}

/** With TLS 1.3 the refusal comes when the request is sent already; it was never read. */
function refusesCertificate(cause: unknown): boolean {
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
  const request = (wanted: HttpRequest) => exchange(transport, limits, wanted, checkUrl(wanted.url, allowedHosts));
  return {
    request,
    async deliver(wanted) {
      try {
        const url = checkUrl(wanted.url, allowedHosts);
        return judge(wanted, await exchange(transport, limits, wanted, url), url.pathname);
      } catch (error) {
        return outcomeOfError(error);
      }
    },
    async isAwake(url, signal, tls) {
      try {
        return (await request({ method: "GET", url, tls, ...(signal && { signal }) })).status < 500;
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
 * @throws {HttpError} if no whole answer came
 */
function exchange(
  transport: HttpTransport,
  { connectMs, headersMs, bodyMs, maxBodyBytes }: ExchangeLimits,
  wanted: HttpRequest,
  url: URL,
): Promise<HttpResponse> {
  const { method, tls, signal } = wanted;
  const body = wanted.json === undefined ? wanted.text?.body : JSON.stringify(wanted.json);
  const type = wanted.json === undefined ? (wanted.text?.type ?? "") : (wanted.jsonType ?? "application/json");
  const headers = headersOf(wanted, url, body === undefined ? undefined : { body, type });
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(new HttpError("the try's time was over", false));
    let sent = false;
    let status = 0;
    let answered: HttpResponse["headers"] | undefined;
    const chunks: Buffer[] = [];
    let size = 0;
    let phase = { until: performance.now() + connectMs, fault: `no connection within ${connectMs} ms` };
    const begin = (ms: number, fault: string) => {
      phase = { until: performance.now() + ms, fault };
    };
    // One timer for all phases: it is set again only if the phase has time left.
    const watch = () => {
      const leftMs = phase.until - performance.now();
      if (leftMs > 0) timer = setTimeout(watch, leftMs);
      else fail(phase.fault);
    };
    let timer = setTimeout(watch, connectMs);
    let breakOff = () => {};
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    };
    const fail = (message: string, cause?: unknown) => {
      end();
      reject(new HttpError(message, sent, cause));
      breakOff();
    };
    const abort = () => fail("the try's time was over");
    signal?.addEventListener("abort", abort, { once: true });
    const listener: Listener = {
      begun() {
        sent = true;
        begin(headersMs, `no answer within ${headersMs} ms`);
      },
      head(...received) {
        [status, answered] = received;
        begin(bodyMs, `the answer's body did not end within ${bodyMs} ms`);
      },
      data(chunk) {
        size += chunk.length;
        if (size > maxBodyBytes) return fail(`the answer is larger than ${maxBodyBytes} bytes`);
        chunks.push(chunk);
      },
      ended() {
        end();
        resolve({ status, headers: answered ?? {}, body: Buffer.concat(chunks).toString("utf8") });
      },
      failed: (error) => fail(answered ? "the answer broke off" : faultText(error), error),
    };
    try {
      breakOff = transport({ method, url, headers, body, tls }, listener);
    } catch (error) {
      end();
      reject(error);
    }
  });
}

/** Returns all request headers as a list. A header of the request replaces a default one, ignoring case. */
function headersOf(
  { method, headers: given = {}, idempotencyKey }: HttpRequest,
  url: URL,
  content: { readonly body: string; readonly type: string } | undefined,
): string[] {
  const headers: Record<string, string> = {
    host: url.host,
    accept: "application/json",
    "user-agent": "hms-sync-bridge",
  };
  for (const [name, value] of Object.entries(given)) headers[name.toLowerCase()] = value;
  if (content) {
    headers["content-type"] = content.type;
    headers["content-length"] = String(Buffer.byteLength(content.body));
  } else if (method === "POST" || method === "PUT" || method === "PATCH") headers["content-length"] = "0";
  if (idempotencyKey) headers["idempotency-key"] = idempotencyKey;
  return Object.entries(headers).flat();
}

/** How much of a refusal is kept for the operator. characters */
export const answerKept = 2_048;

/**
 * The usual manners of a JSON API: 2xx is taken, 408, 425, 429 and 5xx come again, 401 and 403 once more with fresh
 * credentials, any other 4xx is for a person.
 *
 * A redirect is not followed, and a 2xx whose body is not JSON is not believed: it is a login page, or a proxy's. What a
 * refusal says of single fields is told in its reason.
 *
 * @param at what the operator is shown as the place it landed
 * @param sent the request's body, whose values a reason must not repeat
 */
export function outcomeOf(answered: HttpResponse, at: string, sent?: unknown): Outcome {
  const { status, headers, body } = answered;
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
    const afterMs = retryAfterIn(answered);
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
  const why = problemIn(body, sent);
  const answer = body === "" ? undefined : body.slice(0, answerKept);
  return refused(why ? `answered ${status}: ${why}` : `answered ${status}`, { status, ...(answer && { answer }) });
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
 * The answer to a request as an outcome. A deletion of what is not there is done: it may be an earlier try's own doing,
 * whose answer was lost.
 */
export function judge({ method, json }: HttpRequest, answer: HttpResponse, at: string): Outcome {
  const { status } = answer;
  if (method === "DELETE" && (status === 404 || status === 410)) return delivered({ at, status });
  return outcomeOf(answer, at, json);
}

/** Returns the wait that a response asks for. */
export function retryAfterIn({ headers }: HttpResponse): number | undefined {
  return retryAfterMs(first(headers["retry-after"]), Date.parse(first(headers.date) ?? ""));
}

/**
 * `Retry-After` in ms: whole seconds, or a date taken against the answer's own `Date`, so that the target's clock may
 * be wrong. What is neither counts as absent; the past is 0.
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

/** @throws {HttpError} for a host that is not allowed, or one that would be spoken to in the clear */
function checkUrl(text: string, allowedHosts: readonly string[]): URL {
  const url = URL.parse(text);
  if (!url) throw new HttpError("the request's address is not a URL", false);
  if (!allowedHosts.includes(url.host))
    throw new HttpError(`${url.host} is not among the hosts its configuration names`, false);
  if (url.username || url.password) throw new HttpError("the request's address carries credentials", false);
  const loopback = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(url.hostname);
  if (url.protocol !== "https:" && !(url.protocol === "http:" && loopback)) {
    throw new HttpError(`${url.host} must be called by https`, false);
  }
  return url;
}

/**
 * An address below a base, its parts encoded: a value cannot leave its place in the path.
 *
 * A part of dots alone is encoded twice: URL parsers and servers alike read `%2E%2E` as "one up".
 */
export function joinUrl(base: string, ...parts: string[]): string {
  const encoded = parts.map((part) => (/^\.+$/.test(part) ? part.replaceAll(".", "%252E") : encodeURIComponent(part)));
  return [base.replace(/\/+$/, ""), ...encoded].join("/");
}

/** Returns every host that a configuration names. They form the allowlist of a connector. */
export function hostsIn(config: unknown): string[] {
  if (typeof config === "string") {
    const url = URL.parse(config);
    return url?.host ? [url.host] : [];
  }
  if (typeof config === "object" && config !== null) return Object.values(config).flatMap(hostsIn);
  return [];
}

/** Describes a connection error without any of the data that was sent. */
function faultText(error: Error): string {
  const code = (error as NodeJS.ErrnoException).code ?? error.name;
  const known: Record<string, string> = {
    ECONNREFUSED: "nobody listens there",
    ECONNRESET: "the connection was reset",
    ENOTFOUND: "its host name is not known",
    EAI_AGAIN: "its host name could not be looked up",
    EPIPE: "the connection was closed",
    UND_ERR_SOCKET: "the connection was closed",
    ABORT_ERR: "the try's time was over",
    CERT_HAS_EXPIRED: "its certificate has expired",
    DEPTH_ZERO_SELF_SIGNED_CERT: "its certificate is self-signed",
    ERR_TLS_CERT_ALTNAME_INVALID: "its certificate is for another host",
  };
  return known[code] ?? `the connection failed (${code})`;
}
