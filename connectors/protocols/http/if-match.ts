import type { Http, HttpRequest } from "../../../bridge/model/connector.ts";
import { type Outcome, retry } from "../../../bridge/model/outcome.ts";
import { outcomeOf, outcomeOfError } from "./client.ts";

/**
 * Sends a change only if the resource has not changed since it was read: reads its `ETag` and sends it as `If-Match`,
 * or sends `If-None-Match: *` if the resource does not exist. If the condition fails, reads and sends once more.
 *
 * A weak ETag is not used, because `If-Match` compares strongly and would never match.
 * Source: RFC 9110, 13.1.
 */
export async function deliverIfMatch(http: Http, request: HttpRequest): Promise<Outcome> {
  for (let attempt = 1; attempt <= 2; attempt++) {
    const condition = await readCondition(http, request);
    if ("outcome" in condition) return condition.outcome;
    const outcome = await http.deliver({ ...request, headers: { ...request.headers, ...condition.headers } });
    if (!("status" in outcome) || outcome.status !== 412) return outcome;
  }
  return retry("it was changed by others at the same time (412)", { status: 412, mayHaveLanded: false });
}

/** Returns the headers of the condition, or the outcome if the resource cannot be read or has no strong ETag. */
async function readCondition(
  http: Http,
  { method, url, signal, tls, headers }: HttpRequest,
): Promise<{ readonly headers: Readonly<Record<string, string>> } | { readonly outcome: Outcome }> {
  let outcome: Outcome;
  try {
    const response = await http.request({
      method: "GET",
      url,
      tls,
      ...(headers && { headers }),
      ...(signal && { signal }),
    });
    // Without a resource, a deletion needs no condition.
    if (response.status === 404 && method === "DELETE") return { headers: {} };
    if (response.status === 404) return { headers: { "if-none-match": "*" } };
    outcome = outcomeOf(response, new URL(url).pathname);
    const [etag] = [response.headers.etag ?? []].flat();
    if (outcome.kind === "delivered" && etag !== undefined && !etag.startsWith("W/")) {
      return { headers: { "if-match": etag } };
    }
  } catch (error) {
    outcome = outcomeOfError(error);
  }
  if (outcome.kind === "delivered") {
    const reason = "its response has no strong ETag; remove ifMatch from the configuration";
    return { outcome: retry(reason, { code: "setup", mayHaveLanded: false }) };
  }
  return { outcome: outcome.kind === "retry" ? { ...outcome, mayHaveLanded: false } : outcome };
}
