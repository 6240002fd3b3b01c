import { EventBridgeClient } from "@aws-sdk/client-eventbridge";
import { alertOf, alertText, type TimestampedAlert } from "../../bridge/observability/alerts.ts";
import { errorName, type LogLine } from "../../bridge/observability/log.ts";
import type { Clock, Random } from "../../bridge/ports/clock.ts";
import { systemClock, systemRandom } from "../clock.ts";
import { alertSourceOf } from "./names.ts";
import { putEvents } from "./put-events.ts";

/** So many wait to be told; of more the newest: that is as much as fits into the time below. */
const maxWaiting = 500;

/** The bus has so long for a call's alerts: what it does not take then is in the log alone. */
const tellingMs = 2_000;

export interface EventBridgeAlertsOptions {
  readonly client: EventBridgeClient;
  /** Its name or ARN. */
  readonly bus: string;
  readonly deployment: string;
  readonly clock: Pick<Clock, "now">;
  readonly random: Pick<Random, "id">;
}

/** Alerts on a deployment's bus: region, credentials, endpoint and FIPS as the SDK finds them in its environment. */
export function openEventBridgeAlerts(deployment: string, bus: string): EventBridgeAlerts {
  // Tried once more and no oftener: its function waits for it.
  const client = new EventBridgeClient({ maxAttempts: 2 });
  return new EventBridgeAlerts({ client, bus, deployment, clock: systemClock(), random: systemRandom });
}

/**
 * Tells HMS-OPS by the bus: each alert as a CloudEvent in `detail`, its type repeated in `detail-type`, from a source of
 * the bridge's own that its rule takes nothing from.
 */
export class EventBridgeAlerts {
  readonly #options: EventBridgeAlertsOptions;
  #waiting: TimestampedAlert[] = [];

  constructor(options: EventBridgeAlertsOptions) {
    this.#options = options;
  }

  /** Notes the alert a line stands for, if it does. */
  hear(line: LogLine): void {
    const alert = alertOf(line);
    if (!alert) return;
    this.#waiting.push({ at: this.#options.clock.now(), ...alert });
    if (this.#waiting.length > maxWaiting) this.#waiting.shift();
  }

  /**
   * Tells all that waits, once, in order. Never throws: no packet is worth less than word of it.
   *
   * @returns the line to log where the bus did not take all of it
   */
  async tell(): Promise<LogLine | undefined> {
    const waiting = this.#waiting;
    if (waiting.length === 0) return undefined;
    this.#waiting = [];
    try {
      const { client } = this.#options;
      await putEvents(
        client,
        waiting.map((alert) => this.#entryOf(alert)),
        AbortSignal.timeout(tellingMs),
      );
      return undefined;
    } catch (error) {
      return { step: "alert-failed", alerts: waiting.length, error: errorName(error) };
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
