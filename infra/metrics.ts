import { Duration } from "aws-cdk-lib";
import { Metric } from "aws-cdk-lib/aws-cloudwatch";
import { type MetricName, metricsNamespace } from "../functions/log-metrics.ts";

export const aMinute = Duration.minutes(1);
export const fiveMinutes = Duration.minutes(5);

export interface PathMetric {
  readonly deployment: string;
  /** One connector's; absent: what belongs to none. */
  readonly connector?: string;
  /** `Sum`, if not said. */
  readonly statistic?: string;
  /** A minute, if not said. */
  readonly period?: Duration;
  readonly label?: string;
}

/** Metrics of the functions, as alarms and the dashboard read them. */
export function pathMetric(
  metricName: MetricName,
  { deployment, connector, statistic = "Sum", period = aMinute, label }: PathMetric,
): Metric {
  return new Metric({
    namespace: metricsNamespace,
    metricName,
    dimensionsMap: { service: deployment, ...(connector !== undefined && { connector }) },
    statistic,
    period,
    ...(label !== undefined && { label }),
  });
}
