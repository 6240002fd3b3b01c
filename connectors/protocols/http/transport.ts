import { createSecureContext, getCACertificates, type SecureContext } from "node:tls";
import type { HttpRequest, HttpResponse, Tls } from "../../../bridge/model/connector.ts";

/** Checked request with all its headers, ready to send. */
export interface Outgoing {
  readonly method: HttpRequest["method"];
  readonly url: URL;
  /** Alternating header names and values. */
  readonly headers: readonly string[];
  readonly body: string | undefined;
  readonly tls: Tls | undefined;
}

/** Callbacks for one request, called in this order. `failed` may be called more than once. */
export interface Listener {
  /** The connection is established and sending starts. From here on the target may receive the request. */
  begun(): void;
  head(status: number, headers: HttpResponse["headers"]): void;
  data(chunk: Buffer): void;
  /** The response is complete. */
  ended(): void;
  /** No response arrived, or it was cut off. */
  failed(error: Error): void;
}

/**
 * Sends one request over pooled connections. It enforces no time limits and no request rules; `client.ts` does.
 *
 * @returns a function that aborts the exchange and closes its connection
 * @throws if the request is invalid, such as a header with a line break
 */
export type HttpTransport = (request: Outgoing, listener: Listener) => () => void;

/** @param connectMs time after which the transport may give up connecting */
export type OpenTransport = (connectMs: number) => HttpTransport;

/** Maximum number of open connections per connector. */
export const connections = 256;

/** Idle connections close before most servers close theirs (5 s), so a send rarely meets a closing connection. */
export const idleMs = 4_000;

/** Caches the result of `make` per client certificate. After a rotation, the next request opens new connections. */
export function perCertificate<T>(make: (secureContext?: SecureContext) => T): (tls: Tls | undefined) => T {
  const withoutCertificate = make();
  let latest: { readonly tls: Tls; readonly made: T } | undefined;
  return (tls) => {
    if (!tls) return withoutCertificate;
    if (latest?.tls.cert !== tls.cert || latest?.tls.key !== tls.key || latest?.tls.ca !== tls.ca) {
      const trusted = tls.ca === undefined ? undefined : [...getCACertificates("default"), tls.ca];
      // Without a prepared context, an agent would join all certificates into the connection key on every request.
      latest = { tls, made: make(createSecureContext({ cert: tls.cert, key: tls.key, ca: trusted })) };
    }
    return latest?.made ?? withoutCertificate;
  };
}
