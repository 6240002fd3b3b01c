import { createSecureContext, getCACertificates, type SecureContext } from "node:tls";
import type { HttpRequest, HttpResponse, Tls } from "../../../bridge/model/connector.ts";

/** A request as it goes out: checked, and with all its headers. */
export interface Outgoing {
  readonly method: HttpRequest["method"];
  readonly url: URL;
  /** Names and values in turn. */
  readonly headers: readonly string[];
  readonly body: string | undefined;
  readonly tls: Tls | undefined;
}

/** Who is told what becomes of a request, in this order. A fault may be told more than once. */
export interface Listener {
  /** It goes out now, over a connection that stands: from here on it may land. */
  begun(): void;
  head(status: number, headers: HttpResponse["headers"]): void;
  data(chunk: Buffer): void;
  /** The whole answer is here. */
  ended(): void;
  /** There is no answer, or it broke off. */
  failed(error: Error): void;
}

/**
 * Carries requests over connections that are kept. It knows no time limits and no manners: see http.ts.
 *
 * @returns what breaks the exchange off, with its connection
 * @throws where the request cannot be made, as for a header with a line break
 */
export type HttpTransport = (request: Outgoing, listener: Listener) => () => void;

/** @param connectMs when a connection that does not come about may be given up */
export type OpenTransport = (connectMs: number) => HttpTransport;

/** How many connections one connector may have at a time. */
export const connections = 256;

/** Idle connections go before most servers close theirs (5 s), so that a send seldom meets a closing one. */
export const idleMs = 4_000;

/** What is made once for each certificate: when one is rotated, the next request makes connections of its own. */
export function perCertificate<T>(make: (secureContext?: SecureContext) => T): (tls: Tls | undefined) => T {
  const usual = make();
  let own: { readonly tls: Tls; readonly made: T } | undefined;
  return (tls) => {
    if (!tls) return usual;
    if (own?.tls.cert !== tls.cert || own?.tls.key !== tls.key || own?.tls.ca !== tls.ca) {
      const trusted = tls.ca === undefined ? undefined : [...getCACertificates("default"), tls.ca];
      // Made once: given as they are, an agent would join all certificates into a connection's name at every request.
      own = { tls, made: make(createSecureContext({ cert: tls.cert, key: tls.key, ca: trusted })) };
    }
    return own?.made ?? usual;
  };
}
