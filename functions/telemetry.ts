import { LogFormatter, Logger, LogItem } from "@aws-lambda-powertools/logger";
import type { LogAttributes, UnformattedAttributes } from "@aws-lambda-powertools/logger/types";
import { Metrics } from "@aws-lambda-powertools/metrics";
import type { Context } from "aws-lambda";
import type { LogLine } from "../bridge/observability/log.ts";
import type { EventBridgeAlerts } from "../platform/aws/eventbridge-alerts.ts";
import { levelOf, measurementsIn, metricsNamespace } from "./log-metrics.ts";

/** A function's logs, metrics and alerts, all derived from the bridge's log lines. */
export interface Telemetry {
  readonly log: (line: LogLine) => void;
  /** Adds the invocation's context to all lines logged from now on. */
  begin(context: Context): void;
  /** Publishes the invocation's alerts and emits its metrics: one line for the function, and one for each connector. */
  end(): Promise<void>;
}

/**
 * Creates a function's telemetry. Powertools Logger writes JSON log lines, and Powertools Metrics writes metrics in
 * CloudWatch's embedded metric format.
 *
 * Both write to standard output and make no AWS call. Only an invocation that raised alerts makes one, at its end.
 *
 * @param alerts publishes the alerts; if omitted, alerts are only logged
 */
export function createTelemetry(
  deployment: string,
  logLevel: "DEBUG" | "INFO" | "WARN" | "ERROR",
  alerts?: Pick<EventBridgeAlerts, "record" | "publish">,
): Telemetry {
  const logger = new Logger({ serviceName: deployment, logLevel, logFormatter: new LineFormatter() });
  const metricsByConnector = new Map<string | undefined, Metrics>();
  const metricsFor = (connector: string | undefined): Metrics => {
    let metrics = metricsByConnector.get(connector);
    if (!metrics) {
      metrics = new Metrics({
        namespace: metricsNamespace,
        serviceName: deployment,
        ...(connector !== undefined && { defaultDimensions: { connector } }),
      });
      metricsByConnector.set(connector, metrics);
    }
    return metrics;
  };
  const log = (line: LogLine) => {
    const { step, ...fields } = line;
    const level = levelOf(line);
    if (level === "ERROR") logger.error(step, fields);
    else if (level === "WARN") logger.warn(step, fields);
    else logger.info(step, fields);
    const connector = typeof line.connector === "string" ? line.connector : undefined;
    for (const { name, unit, value } of measurementsIn(line)) metricsFor(connector).addMetric(name, unit, value);
    alerts?.record(line);
  };
  return {
    log,
    begin(context) {
      logger.addContext(context);
    },
    async end() {
      const failureLine = await alerts?.publish();
      if (failureLine) log(failureLine);
      for (const metrics of metricsByConnector.values()) if (metrics.hasStoredMetrics()) metrics.publishStoredMetrics();
    },
  };
}

/** Formats a line as time, level, step, deployment, function, request and trace, followed by the line's own fields. */
class LineFormatter extends LogFormatter {
  formatAttributes(attributes: UnformattedAttributes, fields: LogAttributes): LogItem {
    const { timestamp, logLevel, message, serviceName, lambdaContext, xRayTraceId } = attributes;
    return new LogItem({
      attributes: {
        time: timestamp.toISOString(),
        level: logLevel,
        step: message,
        deployment: serviceName,
        function: lambdaContext?.functionName,
        request: lambdaContext?.awsRequestId,
        trace: xRayTraceId,
        ...fields,
      },
    });
  }
}
