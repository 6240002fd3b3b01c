import type { Engine } from "../../bridge/engine.ts";
import type { Http } from "../../bridge/model/connector.ts";
import { alertOf, alertText, type TimestampedAlert } from "../../bridge/observability/alerts.ts";
import { errorName } from "../../bridge/observability/log.ts";
import type { Clock, Random } from "../../bridge/ports/clock.ts";
import type { SecretsPort } from "../../bridge/ports/secrets.ts";
import { signedHeaders, signingSecretSchema } from "../../bridge/values/webhook-signature.ts";

/** So many wait to be told; of an outage's thousands the newest. */
const maxWaiting = 1_000;

/** Waits after the first, second … failure; then an alert is given up, and the log has it still. */
const backoffMs = [1_000, 5_000, 30_000];

/** So many are remembered for the operator's page. */
const maxRemembered = 200;

/** Remembers the last alerts for as long as the process lives. */
export function keepRecentAlerts(
  clock: Clock,
  log: Engine["log"],
): { readonly log: Engine["log"]; readonly alerts: () => readonly TimestampedAlert[] } {
  const told: TimestampedAlert[] = [];
  return {
    log(line) {
      log(line);
      const alert = alertOf(line);
      if (!alert) return;
      told.push({ at: clock.now(), ...alert });
      if (told.length > maxRemembered) told.shift();
    },
    alerts: () => told,
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
 * Tells HMS-OPS by webhook: one POST an alert, in their order, as a CloudEvent, signed by the secret `alerts` where there
 * is one. Deliveries never wait for it.
 *
 * @returns the log to write to, which passes every line on
 */
export function sendAlerts({ url, http, secrets, clock, random, log }: AlertingOptions): Engine["log"] {
  const waiting: TimestampedAlert[] = [];
  let telling = false;

  const tell = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const id = random.id();
      const body = alertText(next, { id, source: "hms-sync-bridge" });
      for (let failures = 0; !(await isTold(id, body)); failures++) {
        const ms = backoffMs[failures];
        if (ms === undefined) break;
        await clock.sleep(ms);
      }
    }
  };

  const isTold = async (id: string, body: string): Promise<boolean> => {
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
    waiting.push({ at: clock.now(), ...alert });
    if (waiting.length > maxWaiting) waiting.shift();
    if (telling) return;
    telling = true;
    void tell().finally(() => {
      telling = false;
    });
  };
}
