import type { Engine } from "../../bridge/engine.ts";
import type { Http } from "../../bridge/model/connector.ts";
import { alertOf, alertText, type TimestampedAlert } from "../../bridge/observability/alerts.ts";
import { errorName } from "../../bridge/observability/log.ts";
import type { Clock, Random } from "../../bridge/ports/clock.ts";
import type { SecretsPort } from "../../bridge/ports/secrets.ts";
import { signedHeaders, signingSecretSchema } from "../../bridge/values/webhook-signature.ts";

/** Maximum number of alerts waiting to be sent. Beyond it, the oldest are dropped. */
const maxPending = 1_000;

/** Delays after the first, second and third failure. After the fourth, an alert is only in the log. */
const backoffMs = [1_000, 5_000, 30_000];

/** Maximum number of alerts kept for the dashboard. */
const maxRecent = 200;

/** Keeps the latest alerts in memory. The returned log passes every line on. */
export function keepRecentAlerts(
  clock: Clock,
  log: Engine["log"],
): { readonly log: Engine["log"]; readonly alerts: () => readonly TimestampedAlert[] } {
  const recent: TimestampedAlert[] = [];
  return {
    log(line) {
      log(line);
      const alert = alertOf(line);
      if (!alert) return;
      recent.push({ at: clock.now(), ...alert });
      if (recent.length > maxRecent) recent.shift();
    },
    alerts: () => recent,
  };
}

export interface AlertingOptions {
  readonly url: string;
  readonly http: Http;
  readonly secrets: SecretsPort;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Engine["log"];
}

/**
 * Sends alerts to a webhook, in order, each as one POST with a CloudEvent. Requests are signed if a secret named `alerts`
 * exists. Deliveries never wait for alerts.
 *
 * @returns the log to write to, which passes every line on
 */
export function sendAlerts({ url, http, secrets, clock, random, log }: AlertingOptions): Engine["log"] {
  const pending: TimestampedAlert[] = [];
  let sending = false;

  const sendPending = async () => {
    for (let next = pending.shift(); next; next = pending.shift()) {
      const id = random.id();
      const body = alertText(next, { id, source: "hms-sync-bridge" });
      for (let failures = 0; !(await send(id, body)); failures++) {
        const ms = backoffMs[failures];
        if (ms === undefined) break;
        await clock.sleep(ms);
      }
    }
  };

  const send = async (id: string, body: string): Promise<boolean> => {
    try {
      const secret = signingSecretSchema.safeParse(await secrets.get("alerts"));
      const seconds = String(Math.floor(clock.now() / 1_000));
      const { status } = await http.request({
        method: "POST",
        url,
        text: { type: "application/cloudevents+json", body },
        headers: secret.success ? signedHeaders(secret.data.keys, { id, seconds, body }) : {},
      });
      if (status >= 200 && status < 300) return true;
      log({ step: "alert-failed", http: status });
    } catch (error) {
      log({ step: "alert-failed", error: errorName(error) });
    }
    return false;
  };

  return (line) => {
    log(line);
    const alert = alertOf(line);
    if (!alert) return;
    pending.push({ at: clock.now(), ...alert });
    if (pending.length > maxPending) pending.shift();
    if (sending) return;
    sending = true;
    void sendPending().finally(() => {
      sending = false;
    });
  };
}
