import { LogFormatter, Logger, LogItem } from "@aws-lambda-powertools/logger";
import type { LogAttributes, UnformattedAttributes } from "@aws-lambda-powertools/logger/types";
import { Metrics } from "@aws-lambda-powertools/metrics";
import type { Context } from "aws-lambda";
import type { LogLine } from "../bridge/observability/log.ts";
import type { EventBridgeAlerts } from "../platform/aws/eventbridge-alerts.ts";
import { levelOf, measuredIn, metricsNamespace } from "./log-metrics.ts";

/** What a function says of its work: the path's log lines, and the metrics and alerts they stand for. */
export interface Telemetry {
  readonly log: (line: LogLine) => void;
  /** Which call the next lines belong to. */
  begin(context: Context): void;
  /** Tells the call's alerts, and puts its metrics out: one line for the function, one for each connector it worked for. */
  end(): Promise<void>;
}

/**
 * Log lines as JSON by Powertools Logger, metrics in CloudWatch's embedded format by Powertools Metrics: both are
 * lines on the function's own output, and no call to AWS. Alerts are one, at the end of a call that has any.
 *
 * @param alerts absent: nobody is told
 */
export function createTelemetry(
  deployment: string,
  logLevel: "DEBUG" | "INFO" | "WARN" | "ERROR",
  alerts?: Pick<EventBridgeAlerts, "hear" | "tell">,
): Telemetry {
  const logger = new Logger({ serviceName: deployment, logLevel, logFormatter: new LineFormatter() });
  const metricsOf = new Map<string | undefined, Metrics>();
  const measuring = (connector: string | undefined): Metrics => {
    let metrics = metricsOf.get(connector);
    if (!metrics) {
      metrics = new Metrics({
        namespace: metricsNamespace,
        serviceName: deployment,
        ...(connector !== undefined && { defaultDimensions: { connector } }),
      });
      metricsOf.set(connector, metrics);
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
    for (const { name, unit, value } of measuredIn(line)) measuring(connector).addMetric(name, unit, value);
    alerts?.hear(line);
  };
  return {
    log,
    begin(context) {
      logger.addContext(context);
    },
    async end() {
      const failed = await alerts?.tell();
      if (failed) log(failed);
      for (const metrics of metricsOf.values()) if (metrics.hasStoredMetrics()) metrics.publishStoredMetrics();
    },
  };
}

/** One line: when, how loud, what happened, where, in which call; then the line's own fields. */
class LineFormatter extends LogFormatter {
  formatAttributes(given: UnformattedAttributes, fields: LogAttributes): LogItem {
    const { timestamp, logLevel, message, serviceName, lambdaContext, xRayTraceId } = given;
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
