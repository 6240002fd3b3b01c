import { Duration } from "aws-cdk-lib";
import { Metric } from "aws-cdk-lib/aws-cloudwatch";
import { type MetricName, metricsNamespace } from "../functions/log-metrics.ts";

export const aMinute = Duration.minutes(1);
export const fiveMinutes = Duration.minutes(5);

export interface PathMetric {
  readonly deployment: string;
  /** Connector that the metric belongs to. Absent for a metric of the whole deployment. */
  readonly connector?: string;
  /** Default: `Sum`. */
  readonly statistic?: string;
  /** Default: one minute. */
  readonly period?: Duration;
  readonly label?: string;
}

/** Returns a metric emitted by the functions, for alarms and the dashboard. */
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
