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

/** Requests under way at once; the others wait their turn. A large roster asks for 500 at one go. */
const atOnce = 16;
const waiting = 100_000;

/** So many failures in a row, and it is left in peace for a while. */
const failuresToBreak = 5;
const breakMs = 5_000;

/** Answers remembered. An entry is a hash and a rule's id. */
const rememberedMost = 10_000;

const secretSchema = z.object({ token: z.string().min(1) });

export interface ComplianceOptions {
  readonly settings: ComplianceSettings;
  readonly http: Http;
  readonly secrets: SecretsPort;
  /** Makes what is remembered unreadable: a hash of an employee's record could be guessed. */
  readonly bridgeKey: KeyObject;
  readonly clock: Pick<Clock, "now">;
}

/**
 * The compliance engine outside (HMS-ESQ), asked over HTTP: `POST` with the request as JSON, a ruling as JSON back.
 *
 * It fails closed: an engine that is down or slow, a status other than 200, a redirect, an answer that is no ruling are
 * all `ComplianceUnavailableError`, and nothing leaves. After five failures in a row it is not asked for 5 s.
 */
export function createComplianceClient({
  settings,
  http,
  secrets,
  bridgeKey,
  clock,
}: ComplianceOptions): CompliancePort {
  const { url, timeoutMs, cacheMs } = settings;
  const remembered = new Map<string, { readonly ruling: Ruling; readonly until: number }>();
  const breaker = circuitBreaker(handleAll, {
    halfOpenAfter: breakMs,
    breaker: new ConsecutiveBreaker(failuresToBreak),
  });
  const guard = wrap(bulkhead(atOnce, waiting), breaker, timeout(timeoutMs, TimeoutStrategy.Aggressive));

  const headers = async (): Promise<Record<string, string>> => {
    const given = await secrets.get(complianceSecret);
    if (given === undefined) return {};
    const secret = secretSchema.safeParse(given);
    if (!secret.success) throw new ComplianceUnavailableError(`the secret "${complianceSecret}" has no token`);
    return { authorization: `Bearer ${secret.data.token}` };
  };

  const post = async (json: ComplianceRequest, signal: AbortSignal): Promise<HttpResponse> =>
    http.request({ method: "POST", url, json, headers: await headers(), signal });

  const answered = async (request: ComplianceRequest, signal: AbortSignal): Promise<Ruling> => {
    let answer = await post(request, signal);
    if (answer.status === 401 || answer.status === 403) {
      // Rotated, perhaps: once more with what is kept now.
      await secrets.refresh(complianceSecret);
      answer = await post(request, signal);
    }
    return rulingIn(answer);
  };

  const remember = (key: string, ruling: Ruling) => {
    remembered.delete(key);
    remembered.set(key, { ruling, until: clock.now() + cacheMs });
    const [oldest] = remembered.keys();
    if (remembered.size > rememberedMost && oldest !== undefined) remembered.delete(oldest);
  };

  return {
    async ask(request) {
      const key = keyedHash(bridgeKey, "compliance", canonicalJson(request));
      const known = remembered.get(key);
      if (known && known.until > clock.now()) return known.ruling;
      try {
        const ruling = await guard.execute(({ signal }) => answered(request, signal));
        if (cacheMs > 0) remember(key, ruling);
        return ruling;
      } catch (error) {
        throw error instanceof ComplianceUnavailableError
          ? error
          : new ComplianceUnavailableError(whyNot(error, timeoutMs), { cause: error });
      }
    },
  };
}

/** @throws {ComplianceUnavailableError} where it is no ruling; what it said is not repeated */
function rulingIn({ status, body }: HttpResponse): Ruling {
  if (status !== 200) throw new ComplianceUnavailableError(`governance answered ${status}`);
  let said: unknown;
  try {
    said = JSON.parse(body);
  } catch {
    throw new ComplianceUnavailableError("governance answered 200 with what is not JSON");
  }
  const ruling = rulingSchema.safeParse(said);
  if (!ruling.success) throw new ComplianceUnavailableError("governance answered 200 with what is no ruling");
  // A rule's id goes into the ledger.
  if (detect(ruling.data.rule ?? "", complianceSecret).length > 0)
    throw new ComplianceUnavailableError("governance named no rule");
  return ruling.data;
}

function whyNot(error: unknown, timeoutMs: number): string {
  if (error instanceof BrokenCircuitError) return `governance has failed ${failuresToBreak} times in a row`;
  if (error instanceof TaskCancelledError) return `governance did not answer within ${timeoutMs} ms`;
  // What the one way out over HTTP says names hosts and codes, and nothing that was sent.
  return error instanceof Error ? `governance cannot be asked: ${error.message}` : "governance cannot be asked";
}
