import type { KeyObject } from "node:crypto";
import {
  BrokenCircuitError,
  bulkhead,
  ConsecutiveBreaker,
  circuitBreaker,
  handleAll,
  TaskCancelledError,
  TimeoutStrategy,
  timeout,
  wrap,
} from "cockatiel";
import * as z from "zod";
import {
  type CompliancePort,
  type ComplianceRequest,
  type ComplianceSettings,
  ComplianceUnavailableError,
  complianceSecret,
  type Ruling,
  rulingSchema,
} from "../bridge/governance/compliance-engine.ts";
import type { Http, HttpResponse } from "../bridge/model/connector.ts";
import { detect } from "../bridge/pii/detect.ts";
import type { Clock } from "../bridge/ports/clock.ts";
import type { SecretsPort } from "../bridge/ports/secrets.ts";
import { canonicalJson } from "../bridge/values/canonical-json.ts";
import { keyedHash } from "../bridge/values/ids.ts";

/** Parallel requests; further ones are queued. A large roster makes 500 requests in one chunk. */
const maxParallel = 16;
const maxQueued = 100_000;

/** Consecutive failures after which the compliance engine is not called for `breakMs`. */
const failuresToBreak = 5;
const breakMs = 5_000;

/** Most rulings in the cache. An entry is a hash and a rule's id. */
const maxCached = 10_000;

const secretSchema = z.object({ token: z.string().min(1) });

export interface ComplianceOptions {
  readonly settings: ComplianceSettings;
  readonly http: Http;
  readonly secrets: SecretsPort;
  /** Keys the cache's hashes, because a plain hash of an employee's record could be guessed. */
  readonly bridgeKey: KeyObject;
  readonly clock: Pick<Clock, "now">;
}

/**
 * Client of the external compliance engine (HMS-ESQ): sends the request as JSON by `POST` and receives a ruling as JSON.
 *
 * It fails closed. If the engine is down or slow, or answers with a redirect, a status other than 200 or an invalid
 * ruling, `ask` rejects with `ComplianceUnavailableError` and nothing is sent to a target. After five failures in a row
 * the engine is not called for 5 s.
 */
export function createComplianceClient({
  settings,
  http,
  secrets,
  bridgeKey,
  clock,
}: ComplianceOptions): CompliancePort {
  const { url, timeoutMs, cacheMs } = settings;
  const cache = new Map<string, { readonly ruling: Ruling; readonly until: number }>();
  const breaker = circuitBreaker(handleAll, {
    halfOpenAfter: breakMs,
    breaker: new ConsecutiveBreaker(failuresToBreak),
  });
  const guard = wrap(bulkhead(maxParallel, maxQueued), breaker, timeout(timeoutMs, TimeoutStrategy.Aggressive));

  const headers = async (): Promise<Record<string, string>> => {
    const stored = await secrets.get(complianceSecret);
    if (stored === undefined) return {};
    const secret = secretSchema.safeParse(stored);
    if (!secret.success) throw new ComplianceUnavailableError(`the secret "${complianceSecret}" has no token`);
    return { authorization: `Bearer ${secret.data.token}` };
  };

  const post = async (json: ComplianceRequest, signal: AbortSignal): Promise<HttpResponse> =>
    http.request({ method: "POST", url, json, headers: await headers(), signal });

  const requestRuling = async (request: ComplianceRequest, signal: AbortSignal): Promise<Ruling> => {
    let response = await post(request, signal);
    if (response.status === 401 || response.status === 403) {
      // The token may have been rotated: retries once with the current one.
      await secrets.refresh(complianceSecret);
      response = await post(request, signal);
    }
    return rulingIn(response);
  };

  const cacheRuling = (key: string, ruling: Ruling) => {
    cache.delete(key);
    cache.set(key, { ruling, until: clock.now() + cacheMs });
    const [oldest] = cache.keys();
    if (cache.size > maxCached && oldest !== undefined) cache.delete(oldest);
  };

  return {
    async ask(request) {
      const key = keyedHash(bridgeKey, "compliance", canonicalJson(request));
      const cached = cache.get(key);
      if (cached && cached.until > clock.now()) return cached.ruling;
      try {
        const ruling = await guard.execute(({ signal }) => requestRuling(request, signal));
        if (cacheMs > 0) cacheRuling(key, ruling);
        return ruling;
      } catch (error) {
        throw error instanceof ComplianceUnavailableError
          ? error
          : new ComplianceUnavailableError(failureReason(error, timeoutMs), { cause: error });
      }
    },
  };
}

/** @throws {ComplianceUnavailableError} if the response is not a ruling; the message does not repeat the response */
function rulingIn({ status, body }: HttpResponse): Ruling {
  if (status !== 200) throw new ComplianceUnavailableError(`governance answered ${status}`);
  let answer: unknown;
  try {
    answer = JSON.parse(body);
  } catch {
    throw new ComplianceUnavailableError("governance answered 200, but its body is not JSON");
  }
  const ruling = rulingSchema.safeParse(answer);
  if (!ruling.success) throw new ComplianceUnavailableError("governance answered 200, but its body is not a ruling");
  // The ledger records the rule's id, so it must not contain personal data.
  if (detect(ruling.data.rule ?? "", complianceSecret).length > 0)
    throw new ComplianceUnavailableError("governance named a rule that contains personal data");
  return ruling.data;
}

function failureReason(error: unknown, timeoutMs: number): string {
  if (error instanceof BrokenCircuitError) return `governance has failed ${failuresToBreak} times in a row`;
  if (error instanceof TaskCancelledError) return `governance did not answer within ${timeoutMs} ms`;
  // The HTTP client's messages name hosts and codes, never what was sent.
  return error instanceof Error ? `governance cannot be asked: ${error.message}` : "governance cannot be asked";
}
