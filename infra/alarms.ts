import { Duration } from "aws-cdk-lib";
import type { IMetric } from "aws-cdk-lib/aws-cloudwatch";
import { Alarm, ComparisonOperator, TreatMissingData } from "aws-cdk-lib/aws-cloudwatch";
import { SnsAction } from "aws-cdk-lib/aws-cloudwatch-actions";
import type { IFunction } from "aws-cdk-lib/aws-lambda";
import type { ITopic } from "aws-cdk-lib/aws-sns";
import type { IQueue } from "aws-cdk-lib/aws-sqs";
import { Construct } from "constructs";
import { aMinute } from "./metrics.ts";

/** All kinds of alarms. docs/runbook.md has a section for each. */
export type AlarmKind =
  | "rule-dead-letters"
  | "inbox-dead-letters"
  | "inbox-waits"
  | "mapper-failing"
  | "mapping-faults"
  | "governance-not-asked"
  | "watchdog-failing"
  | "ops-failing"
  | "inbound-failing"
  | "alerts-lost"
  | "events-quarantined"
  | "lane-waits"
  | "outbox-waits"
  | "connector-failing"
  | "probe-failing"
  | "target-down"
  | "packets-held"
  | "window-breached"
  | "ledger-tampered"
  | "ledger-copies-behind"
  | "ledger-copies-lost"
  | "ledger-not-sealed";

/** Threshold of an alarm: it fires at or above `from`, or below `below` and if there is no data. */
type Bound = { readonly from: number } | { readonly below: number };

type AlarmPlan = Bound & {
  readonly metric: IMetric;
  /** Number of consecutive periods after which the alarm fires. */
  readonly periods: number;
  /** Meaning of the alarm, for the operator on call. The runbook lists the steps to take. */
  readonly meaning: string;
};

/** @param prefix name of the deployment, followed by that of the connector if the alarm belongs to one */
export function alarmNameOf(prefix: string, kind: AlarmKind): string {
  return `${prefix}-${kind}`;
}

/** Creates alarms that notify a topic when they fire and when they clear. */
export class Alarms extends Construct {
  readonly #prefix: string;
  readonly #topic: ITopic;

  /** @param prefix prefix of the alarms' names: the deployment, followed by the connector if they belong to one */
  constructor(scope: Construct, id: string, { prefix, topic }: { prefix: string; topic: ITopic }) {
    super(scope, id);
    this.#prefix = prefix;
    this.#topic = topic;
  }

  /** Fires as soon as the metric is at least 1. */
  whenCounted(kind: AlarmKind, metric: IMetric, meaning: string): Alarm {
    return this.#when(kind, { metric, from: 1, periods: 1, meaning });
  }

  /** Fires if a function has errors for 3 min in a row. */
  whenFailing(kind: AlarmKind, failing: IFunction, meaning: string): Alarm {
    return this.#when(kind, { metric: failing.metricErrors({ period: aMinute }), from: 1, periods: 3, meaning });
  }

  /** Fires if a queue has not been empty for this number of minutes. */
  whenFilled(kind: AlarmKind, queue: IQueue, minutes: number, meaning: string): Alarm {
    const metric = queue.metricApproximateNumberOfMessagesVisible({ period: aMinute, statistic: "Maximum" });
    return this.#when(kind, { metric, from: 1, periods: minutes, meaning });
  }

  /** Fires if the age of a queue's oldest message has been at least `seconds` for this number of minutes. */
  whenOld(
    kind: AlarmKind,
    queue: IQueue,
    { seconds, minutes }: { readonly seconds: number; readonly minutes: number },
    meaning: string,
  ): Alarm {
    const metric = queue.metricApproximateAgeOfOldestMessage({ period: aMinute, statistic: "Maximum" });
    return this.#when(kind, { metric, from: seconds, periods: minutes, meaning });
  }

  /** Fires if a stream's function has been this number of minutes behind for 3 min. */
  whenBehind(kind: AlarmKind, reader: IFunction, minutes: number, meaning: string): Alarm {
    const metric = reader.metric("IteratorAge", { period: aMinute, statistic: "Maximum" });
    return this.#when(kind, { metric, from: Duration.minutes(minutes).toMilliseconds(), periods: 3, meaning });
  }

  /** Fires if a metric has had no data for three periods, because a function that is not invoked reports nothing. */
  whenSilent(kind: AlarmKind, metric: IMetric, meaning: string): Alarm {
    return this.#when(kind, { metric, below: 1, periods: 3, meaning });
  }

  #when(kind: AlarmKind, { metric, periods, meaning, ...bound }: AlarmPlan): Alarm {
    const alarm = new Alarm(this, kind, {
      alarmName: alarmNameOf(this.#prefix, kind),
      metric,
      ...("from" in bound ? reaching(bound.from) : silentBelow(bound.below)),
      evaluationPeriods: periods,
      alarmDescription: `${meaning} See docs/runbook.md, ${kind}.`,
    });
    alarm.addAlarmAction(new SnsAction(this.#topic));
    alarm.addOkAction(new SnsAction(this.#topic));
    return alarm;
  }
}

function reaching(threshold: number) {
  return {
    threshold,
    comparisonOperator: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
    treatMissingData: TreatMissingData.NOT_BREACHING,
  };
}

function silentBelow(threshold: number) {
  return {
    threshold,
    comparisonOperator: ComparisonOperator.LESS_THAN_THRESHOLD,
    treatMissingData: TreatMissingData.BREACHING,
  };
}
