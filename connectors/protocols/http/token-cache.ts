import type { Http } from "../../../bridge/model/connector.ts";
import type { Outcome } from "../../../bridge/model/outcome.ts";

/** Token from a token server, or the reason why there is none. */
export type Fetched = { readonly token: string; readonly livesMs: number } | { readonly outcome: Outcome };

/** A token at hand. */
export interface Held {
  readonly token: string;
  /** Must be called with every outcome, so that a token the target refused is not used again. */
  heed(outcome: Outcome): Outcome;
}

interface Kept {
  /** Secret that the token was requested with. A rotated secret needs a new token. */
  readonly of: string;
  readonly fetched: Promise<Fetched>;
  /** ms since the epoch. Not a running count, which stands still while a Lambda function is frozen. */
  renewAt: number;
}

/** A connector's token lives as long as its connections do. */
const kept = new WeakMap<Http, Kept>();

/** Renewal starts this long before expiry, or a tenth of the token's lifetime if that is shorter. */
const earlyMs = 60_000;

/**
 * A connector's token: kept in this process, asked for once by all who come at the same time, renewed before it ends,
 * and forgotten once the target refuses it.
 *
 * @param of what it is asked for with
 */
export async function heldToken(
  http: Http,
  of: string,
  ask: () => Promise<Fetched>,
): Promise<Held | { readonly outcome: Outcome }> {
  const mine = keptToken(http, of, ask);
  const fetched = await mine.fetched;
  if ("outcome" in fetched) return fetched;
  return {
    token: fetched.token,
    heed(outcome) {
      if (outcome.kind === "retry" && outcome.auth) forget(http, mine);
      return outcome;
    },
  };
}

function keptToken(http: Http, of: string, ask: () => Promise<Fetched>): Kept {
  const known = kept.get(http);
  if (known?.of === of && Date.now() < known.renewAt) return known;
  const mine: Kept = { of, fetched: ask(), renewAt: Number.POSITIVE_INFINITY };
  kept.set(http, mine);
  mine.fetched.then(
    (answer) => {
      if ("token" in answer) mine.renewAt = Date.now() + answer.livesMs - Math.min(earlyMs, answer.livesMs / 10);
      else forget(http, mine);
    },
    () => forget(http, mine),
  );
  return mine;
}

/** Unless another call has taken a new one meanwhile. */
function forget(http: Http, mine: Kept): void {
  if (kept.get(http) === mine) kept.delete(http);
}
