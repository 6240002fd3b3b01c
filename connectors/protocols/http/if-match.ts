import type { Http, HttpRequest } from "../../../bridge/model/connector.ts";
import { type Outcome, retry } from "../../../bridge/model/outcome.ts";
import { outcomeOf, outcomeOfError } from "./client.ts";

/**
 * Sends a change on condition that nobody has changed the thing since we looked: its `ETag` is read, and sent as
 * `If-Match`; what is not there yet is sent with `If-None-Match: *`. Where it was changed in between it is read again
 * and sent once more.
 *
 * A weak ETag is no condition: `If-Match` compares strongly, and it would never be met.
 * Source: RFC 9110, 13.1.
 */
export async function deliverIfMatch(http: Http, request: HttpRequest): Promise<Outcome> {
  for (const last of [false, true]) {
    const condition = await conditionOf(http, request);
    if ("outcome" in condition) return condition.outcome;
    const outcome = await http.deliver({ ...request, headers: { ...request.headers, ...condition.headers } });
    if (!("status" in outcome) || outcome.status !== 412) return outcome;
    if (last) break;
  }
  return retry("others change it at the same time (412)", { status: 412, mayHaveLanded: false });
}

async function conditionOf(
  http: Http,
  { method, url, signal, tls, headers }: HttpRequest,
): Promise<{ readonly headers: Readonly<Record<string, string>> } | { readonly outcome: Outcome }> {
  let outcome: Outcome;
  try {
    const answer = await http.request({
      method: "GET",
      url,
      tls,
      ...(headers && { headers }),
      ...(signal && { signal }),
    });
    // Nothing is there to delete.
    if (answer.status === 404 && method === "DELETE") return { headers: {} };
    if (answer.status === 404) return { headers: { "if-none-match": "*" } };
    outcome = outcomeOf(answer, new URL(url).pathname);
    const [etag] = [answer.headers.etag ?? []].flat();
    if (outcome.kind === "delivered" && etag !== undefined && !etag.startsWith("W/")) {
      return { headers: { "if-match": etag } };
    }
  } catch (error) {
    outcome = outcomeOfError(error);
  }
  if (outcome.kind === "delivered") {
    const reason = "it gives no strong ETag to change it by; take ifMatch out of the configuration";
    return { outcome: retry(reason, { code: "setup", mayHaveLanded: false }) };
  }
  return { outcome: outcome.kind === "retry" ? { ...outcome, mayHaveLanded: false } : outcome };
}
