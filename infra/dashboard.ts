import {
  Dashboard,
  GraphWidget,
  type IMetric,
  LegendPosition,
  Metric,
  PeriodOverride,
  Row,
  TextWidget,
} from "aws-cdk-lib/aws-cloudwatch";
import type { Construct } from "constructs";
import { type Connector, connectorId } from "../bridge/model/connector.ts";
import type { QueueName } from "../bridge/ports/queue.ts";
import type { MetricName } from "../functions/log-metrics.ts";
import { functionNameOf, queueNameOf } from "../platform/aws/names.ts";
import { ruleDeadNameOf } from "./inbox.ts";
import { aMinute, pathMetric } from "./metrics.ts";

const fullWidth = 24;

/** A graph of at most 500 lines. Source: Amazon CloudWatch quotas, metrics in a dashboard's widget. */
interface Plan {
  readonly title: string;
  readonly lines: readonly IMetric[];
  /** Unit of the numbers. */
  readonly unit: string;
}

/**
 * Adds one screen for the operator on duty: how far behind the bridge is, and where.
 *
 * Each graph has one line per connector. With 50 connectors that is 50 lines; the legend names the loudest.
 */
export function addDashboard(
  scope: Construct,
  { deployment, connectors }: { deployment: string; connectors: readonly Connector[] },
): void {
  const ids = connectors.map(connectorId).sort();
  const dashboard = new Dashboard(scope, "Dashboard", {
    dashboardName: deployment,
    periodOverride: PeriodOverride.INHERIT,
  });
  dashboard.addWidgets(
    new TextWidget({
      width: fullWidth,
      height: 2,
      markdown: `# HMS Sync Bridge: ${deployment}\nEvents come in on top, packets go out below. Each alarm has a section in docs/runbook.md.`,
    }),
  );
  dashboard.addWidgets(mapperRow(deployment), ...connectorRows(deployment, ids), outboxRow(deployment, ids));
}

function mapperRow(deployment: string): Row {
  const counted = (...names: MetricName[]) => names.map((name) => pathMetric(name, { deployment, label: name }));
  const mapper = (metricName: string, statistic: string) =>
    new Metric({
      namespace: "AWS/Lambda",
      metricName,
      dimensionsMap: { FunctionName: functionNameOf(deployment, "mapper") },
      statistic,
      period: aMinute,
      label: metricName,
    });
  return row(
    { title: "Inbox: oldest event", unit: "s", lines: [ageOf(queueNameOf(deployment, "inbox"), "waits")] },
    {
      title: "Events",
      unit: "a minute",
      lines: counted("EventsExpanded", "EventsUnmatched", "EventsQuarantined", "EventsDuplicate", "PacketsRecorded"),
    },
    {
      title: "Mapper",
      unit: "a minute",
      lines: [mapper("Invocations", "Sum"), mapper("Errors", "Sum"), mapper("Throttles", "Sum")],
    },
  );
}

function connectorRows(deployment: string, ids: readonly string[]): Row[] {
  const each = eachConnector(deployment, ids);
  const lanes = ids.map((id) => ageOf(connectorQueue(deployment, "lane", id), id));
  return [
    row(
      { title: "Lag, median", unit: "ms", lines: each("Lag", "p50") },
      { title: "Lag, 95 of 100", unit: "ms", lines: each("Lag", "p95") },
      { title: "Lane: oldest packet", unit: "s", lines: lanes },
    ),
    row(
      { title: "Acknowledged", unit: "a minute", lines: each("Acknowledged") },
      { title: "Retries", unit: "a minute", lines: each("Retries") },
      { title: "Held", unit: "a minute", lines: each("Held") },
    ),
  ];
}

function outboxRow(deployment: string, ids: readonly string[]): Row {
  const outboxes = ids.map((id) => depthOf(connectorQueue(deployment, "outbox", id), id));
  return row(
    { title: "Outbox", unit: "packets", lines: outboxes },
    { title: "Target down", unit: "1 is down", lines: eachConnector(deployment, ids)("TargetDown", "Maximum") },
    {
      title: "Nobody's any more",
      unit: "events",
      lines: [
        depthOf(ruleDeadNameOf(deployment), "not brought to the inbox"),
        depthOf(queueNameOf(deployment, "inbox-dead"), "given up by the mapper"),
      ],
    },
  );
}

function eachConnector(deployment: string, ids: readonly string[]) {
  return (name: MetricName, statistic?: string) =>
    ids.map((connector) =>
      pathMetric(name, { deployment, connector, label: connector, ...(statistic && { statistic }) }),
    );
}

function connectorQueue(deployment: string, kind: "lane" | "outbox", connector: string): string {
  return queueNameOf(deployment, `${kind}:${connector}` satisfies QueueName);
}

function depthOf(queueName: string, label: string): Metric {
  return queueMetric("ApproximateNumberOfMessagesVisible", queueName, label);
}

function ageOf(queueName: string, label: string): Metric {
  return queueMetric("ApproximateAgeOfOldestMessage", queueName, label);
}

function queueMetric(metricName: string, queueName: string, label: string): Metric {
  return new Metric({
    namespace: "AWS/SQS",
    metricName,
    dimensionsMap: { QueueName: queueName },
    statistic: "Maximum",
    period: aMinute,
    label,
  });
}

function row(...plans: readonly Plan[]): Row {
  return new Row(
    ...plans.map(
      ({ title, lines, unit }) =>
        new GraphWidget({
          title,
          width: fullWidth / plans.length,
          left: [...lines],
          leftYAxis: { min: 0, label: unit, showUnits: false },
          legendPosition: LegendPosition.BOTTOM,
        }),
    ),
  );
}
