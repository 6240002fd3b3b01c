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

/** A graph with at most 500 lines. Source: Amazon CloudWatch quotas, metrics in a dashboard's widget. */
interface Graph {
  readonly title: string;
  readonly lines: readonly IMetric[];
  /** Unit of the vertical axis. */
  readonly unit: string;
}

/**
 * Adds a dashboard for the operator on duty, which shows the bridge's lag and where packets wait.
 *
 * Graphs about connectors have one line per connector.
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
      markdown: `# HMS Sync Bridge: ${deployment}\nThe first row shows incoming events, the rows below outgoing packets. Each alarm has a section in docs/runbook.md.`,
    }),
  );
  dashboard.addWidgets(mapperRow(deployment), ...connectorRows(deployment, ids), outboxRow(deployment, ids));
}

function mapperRow(deployment: string): Row {
  const perMinute = (...names: MetricName[]) => names.map((name) => pathMetric(name, { deployment, label: name }));
  const ofMapper = (metricName: string, statistic: string) =>
    new Metric({
      namespace: "AWS/Lambda",
      metricName,
      dimensionsMap: { FunctionName: functionNameOf(deployment, "mapper") },
      statistic,
      period: aMinute,
      label: metricName,
    });
  return row(
    { title: "Inbox: oldest event", unit: "s", lines: [ageOf(queueNameOf(deployment, "inbox"), "age")] },
    {
      title: "Events",
      unit: "per minute",
      lines: perMinute("EventsExpanded", "EventsUnmatched", "EventsQuarantined", "EventsDuplicate", "PacketsRecorded"),
    },
    {
      title: "Mapper",
      unit: "per minute",
      lines: [ofMapper("Invocations", "Sum"), ofMapper("Errors", "Sum"), ofMapper("Throttles", "Sum")],
    },
  );
}

function connectorRows(deployment: string, ids: readonly string[]): Row[] {
  const perConnector = metricPerConnector(deployment, ids);
  const lanes = ids.map((id) => ageOf(connectorQueue(deployment, "lane", id), id));
  return [
    row(
      { title: "Lag, median", unit: "ms", lines: perConnector("Lag", "p50") },
      { title: "Lag, 95th percentile", unit: "ms", lines: perConnector("Lag", "p95") },
      { title: "Lane: oldest packet", unit: "s", lines: lanes },
    ),
    row(
      { title: "Acknowledged", unit: "per minute", lines: perConnector("Acknowledged") },
      { title: "Retries", unit: "per minute", lines: perConnector("Retries") },
      { title: "Held", unit: "per minute", lines: perConnector("Held") },
    ),
  ];
}

function outboxRow(deployment: string, ids: readonly string[]): Row {
  const outboxes = ids.map((id) => depthOf(connectorQueue(deployment, "outbox", id), id));
  return row(
    { title: "Outbox", unit: "packets", lines: outboxes },
    { title: "Target down", unit: "1 = down", lines: metricPerConnector(deployment, ids)("TargetDown", "Maximum") },
    {
      title: "Dead letters",
      unit: "events",
      lines: [
        depthOf(ruleDeadNameOf(deployment), "not delivered to the inbox"),
        depthOf(queueNameOf(deployment, "inbox-dead"), "not recorded by the mapper"),
      ],
    },
  );
}

function metricPerConnector(deployment: string, ids: readonly string[]) {
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

function row(...graphs: readonly Graph[]): Row {
  return new Row(
    ...graphs.map(
      ({ title, lines, unit }) =>
        new GraphWidget({
          title,
          width: fullWidth / graphs.length,
          left: [...lines],
          leftYAxis: { min: 0, label: unit, showUnits: false },
          legendPosition: LegendPosition.BOTTOM,
        }),
    ),
  );
}
