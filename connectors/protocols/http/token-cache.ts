import type { Http } from "../../../bridge/model/connector.ts";
import type { Outcome } from "../../../bridge/model/outcome.ts";

/** Token from a token server, or the outcome of the request for it if there is none. */
export type TokenResult = { readonly token: string; readonly livesMs: number } | { readonly outcome: Outcome };

/** Token from the cache. */
export interface CachedToken {
  readonly token: string;
  /** Returns an outcome unchanged, and drops the token if the target refused it. Must be called with every outcome. */
  dropIfRefused(outcome: Outcome): Outcome;
}

interface CacheEntry {
  /** Server and secret of the token request. A rotated secret needs a new token. */
  readonly key: string;
  readonly result: Promise<TokenResult>;
  /** ms since the epoch. A monotonic clock would stop while a Lambda function is frozen. */
  renewAt: number;
}

/** One token per connector, for as long as its HTTP client exists. */
const cache = new WeakMap<Http, CacheEntry>();

/** Renewal starts this long before expiry, or a tenth of the token's lifetime if that is shorter. */
const earlyMs = 60_000;

/**
 * Returns a connector's token from the cache, or fetches one.
 *
 * Concurrent callers share one request. A token is renewed before it expires and dropped once the target refuses it.
 *
 * @param key identifies the token server and the secret
 */
export async function cachedToken(
  http: Http,
  key: string,
  fetchToken: () => Promise<TokenResult>,
): Promise<CachedToken | { readonly outcome: Outcome }> {
  const entry = entryFor(http, key, fetchToken);
  const result = await entry.result;
  if ("outcome" in result) return result;
  return {
    token: result.token,
    dropIfRefused(outcome) {
      if (outcome.kind === "retry" && outcome.auth) drop(http, entry);
      return outcome;
    },
  };
}

function entryFor(http: Http, key: string, fetchToken: () => Promise<TokenResult>): CacheEntry {
  const cached = cache.get(http);
  if (cached?.key === key && Date.now() < cached.renewAt) return cached;
  const entry: CacheEntry = { key, result: fetchToken(), renewAt: Number.POSITIVE_INFINITY };
  cache.set(http, entry);
  entry.result.then(
    (result) => {
      if ("token" in result) entry.renewAt = Date.now() + result.livesMs - Math.min(earlyMs, result.livesMs / 10);
      else drop(http, entry);
    },
    () => drop(http, entry),
  );
  return entry;
}

/** Removes an entry, unless another call has replaced it meanwhile. */
function drop(http: Http, entry: CacheEntry): void {
  if (cache.get(http) === entry) cache.delete(http);
}
