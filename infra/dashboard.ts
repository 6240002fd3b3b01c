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

/** The widest a graph may be: 500 lines. Source: Amazon CloudWatch quotas, metrics in a dashboard's widget. */
interface Plan {
  readonly title: string;
  readonly lines: readonly IMetric[];
  /** What the numbers are. */
  readonly unit: string;
}

/**
 * One screen for whoever is on duty: how far behind the bridge is, and where.
 *
 * A line a connector in each graph, so 50 connectors are 50 lines, of which the legend names the loud ones.
 */
export function addDashboard(
  scope: Construct,
  { deployment, connectors }: { deployment: string; connectors: readonly Connector[] },
): void {
  const ids = connectors.map(connectorId).sort();
  const queue = (metricName: string, name: string, label: string) =>
    new Metric({
      namespace: "AWS/SQS",
      metricName,
      dimensionsMap: { QueueName: name },
      statistic: "Maximum",
      period: aMinute,
      label,
    });
  const depth = (name: string, label: string) => queue("ApproximateNumberOfMessagesVisible", name, label);
  const age = (name: string, label: string) => queue("ApproximateAgeOfOldestMessage", name, label);
  const counted = (...names: MetricName[]) => names.map((name) => pathMetric(name, { deployment, label: name }));
  const each = (name: MetricName, statistic?: string) =>
    ids.map((connector) =>
      pathMetric(name, { deployment, connector, label: connector, ...(statistic && { statistic }) }),
    );
  const queueOf = (kind: "lane" | "outbox", connector: string) =>
    queueNameOf(deployment, `${kind}:${connector}` satisfies QueueName);
  const mapper = (metricName: string, statistic: string) =>
    new Metric({
      namespace: "AWS/Lambda",
      metricName,
      dimensionsMap: { FunctionName: functionNameOf(deployment, "mapper") },
      statistic,
      period: aMinute,
      label: metricName,
    });

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
  dashboard.addWidgets(
    row(
      { title: "Inbox: oldest event", unit: "s", lines: [age(queueNameOf(deployment, "inbox"), "waits")] },
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
    ),
    row(
      { title: "Lag, median", unit: "ms", lines: each("Lag", "p50") },
      { title: "Lag, 95 of 100", unit: "ms", lines: each("Lag", "p95") },
      { title: "Lane: oldest packet", unit: "s", lines: ids.map((id) => age(queueOf("lane", id), id)) },
    ),
    row(
      { title: "Acknowledged", unit: "a minute", lines: each("Acknowledged") },
      { title: "Retries", unit: "a minute", lines: each("Retries") },
      { title: "Held", unit: "a minute", lines: each("Held") },
    ),
    row(
      { title: "Outbox", unit: "packets", lines: ids.map((id) => depth(queueOf("outbox", id), id)) },
      { title: "Target down", unit: "1 is down", lines: each("TargetDown", "Maximum") },
      {
        title: "Nobody's any more",
        unit: "events",
        lines: [
          depth(ruleDeadNameOf(deployment), "not brought to the inbox"),
          depth(queueNameOf(deployment, "inbox-dead"), "given up by the mapper"),
        ],
      },
    ),
  );
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
