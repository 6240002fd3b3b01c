import { EventBridgeClient } from "@aws-sdk/client-eventbridge";
import { alertOf, alertText, type TimestampedAlert } from "../../bridge/observability/alerts.ts";
import { errorName, type LogLine } from "../../bridge/observability/log.ts";
import type { Clock, Random } from "../../bridge/ports/clock.ts";
import { systemClock, systemRandom } from "../clock.ts";
import { alertSourceOf } from "./names.ts";
import { putEvents } from "./put-events.ts";

/** Most alerts of one invocation: about as many as can be published in `publishMs`. Beyond it the oldest are dropped. */
const maxPending = 500;

/** Time limit for publishing. Alerts that the bus has not accepted by then are only in the log. */
const publishMs = 2_000;

export interface EventBridgeAlertsOptions {
  readonly client: EventBridgeClient;
  /** Its name or ARN. */
  readonly bus: string;
  readonly deployment: string;
  readonly clock: Pick<Clock, "now">;
  readonly random: Pick<Random, "id">;
}

/** Opens the alerts of a deployment. Region, credentials, endpoint and FIPS come from the SDK's environment. */
export function openEventBridgeAlerts(deployment: string, bus: string): EventBridgeAlerts {
  // A single retry, because the function waits for it.
  const client = new EventBridgeClient({ maxAttempts: 2 });
  return new EventBridgeAlerts({ client, bus, deployment, clock: systemClock(), random: systemRandom });
}

/**
 * Notifies HMS-OPS through the bus. Each alert is a CloudEvent in `detail` with its type repeated in `detail-type`. Its
 * source is the bridge's own, which the bridge's rule does not match.
 */
export class EventBridgeAlerts {
  readonly #options: EventBridgeAlertsOptions;
  #pending: TimestampedAlert[] = [];

  constructor(options: EventBridgeAlertsOptions) {
    this.#options = options;
  }

  /** Keeps the alert that a log line raises, if any, for the next `publish`. */
  record(line: LogLine): void {
    const alert = alertOf(line);
    if (!alert) return;
    this.#pending.push({ at: this.#options.clock.now(), ...alert });
    if (this.#pending.length > maxPending) this.#pending.shift();
  }

  /**
   * Publishes the pending alerts in order, once. Never throws, so that a failed alert cannot fail the packets it is
   * about.
   *
   * @returns the line to log if the bus did not accept all of them
   */
  async publish(): Promise<LogLine | undefined> {
    const alerts = this.#pending;
    if (alerts.length === 0) return undefined;
    this.#pending = [];
    try {
      const { client } = this.#options;
      await putEvents(
        client,
        alerts.map((alert) => this.#entryOf(alert)),
        AbortSignal.timeout(publishMs),
      );
      return undefined;
    } catch (error) {
      return { step: "alert-failed", alerts: alerts.length, error: errorName(error) };
    }
  }

  #entryOf(alert: TimestampedAlert) {
    const { bus, deployment, random } = this.#options;
    const source = alertSourceOf(deployment);
    return {
      EventBusName: bus,
      Source: source,
      DetailType: alert.type,
      Time: new Date(alert.at),
      Detail: alertText(alert, { id: random.id(), source }),
    };
  }
}
