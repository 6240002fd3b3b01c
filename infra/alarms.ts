import { Duration } from "aws-cdk-lib";
import type { IMetric } from "aws-cdk-lib/aws-cloudwatch";
import { Alarm, ComparisonOperator, TreatMissingData } from "aws-cdk-lib/aws-cloudwatch";
import { SnsAction } from "aws-cdk-lib/aws-cloudwatch-actions";
import type { IFunction } from "aws-cdk-lib/aws-lambda";
import type { ITopic } from "aws-cdk-lib/aws-sns";
import type { IQueue } from "aws-cdk-lib/aws-sqs";
import { Construct } from "constructs";
import { aMinute } from "./metrics.ts";

/** Every kind of alarm there is. docs/runbook.md has a section for each. */
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

/** Alarms from here on; or below, and where there is nothing at all. */
type Bound = { readonly from: number } | { readonly below: number };

type AlarmPlan = Bound & {
  readonly metric: IMetric;
  /** Number of periods in a row. */
  readonly periods: number;
  /** Meaning of the alarm, for the operator on call. The runbook says what to do. */
  readonly says: string;
};

/** @param prefix the deployment, and the connector where the alarm is one's own */
export function alarmNameOf(prefix: string, kind: AlarmKind): string {
  return `${prefix}-${kind}`;
}

/** Makes alarms that notify a topic when they fire and when they clear. */
export class Alarms extends Construct {
  readonly #prefix: string;
  readonly #topic: ITopic;

  /** @param prefix what the alarms' names begin with: the deployment, and the connector where they are one's own */
  constructor(scope: Construct, id: string, { prefix, topic }: { prefix: string; topic: ITopic }) {
    super(scope, id);
    this.#prefix = prefix;
    this.#topic = topic;
  }

  /** Fires as soon as the metric counts anything. */
  whenCounted(kind: AlarmKind, metric: IMetric, says: string): Alarm {
    return this.#when(kind, { metric, from: 1, periods: 1, says });
  }

  /** Fires if calls of a function end in an error for 3 min. */
  whenFailing(kind: AlarmKind, failing: IFunction, says: string): Alarm {
    return this.#when(kind, { metric: failing.metricErrors({ period: aMinute }), from: 1, periods: 3, says });
  }

  /** Fires if a queue is not empty for this number of minutes. */
  whenFilled(kind: AlarmKind, queue: IQueue, minutes: number, says: string): Alarm {
    const metric = queue.metricApproximateNumberOfMessagesVisible({ period: aMinute, statistic: "Maximum" });
    return this.#when(kind, { metric, from: 1, periods: minutes, says });
  }

  /** Fires if a queue's oldest message has waited for `seconds`, for this number of minutes. */
  whenOld(
    kind: AlarmKind,
    queue: IQueue,
    { seconds, minutes }: { readonly seconds: number; readonly minutes: number },
    says: string,
  ): Alarm {
    const metric = queue.metricApproximateAgeOfOldestMessage({ period: aMinute, statistic: "Maximum" });
    return this.#when(kind, { metric, from: seconds, periods: minutes, says });
  }

  /** Fires if a stream's function is this number of minutes behind, for 3 min. */
  whenBehind(kind: AlarmKind, reader: IFunction, minutes: number, says: string): Alarm {
    const metric = reader.metric("IteratorAge", { period: aMinute, statistic: "Maximum" });
    return this.#when(kind, { metric, from: Duration.minutes(minutes).toMilliseconds(), periods: 3, says });
  }

  /** Fires if a metric is silent three times in a row: a function that is never called reports nothing itself. */
  whenSilent(kind: AlarmKind, metric: IMetric, says: string): Alarm {
    return this.#when(kind, { metric, below: 1, periods: 3, says });
  }

  #when(kind: AlarmKind, { metric, periods, says, ...bound }: AlarmPlan): Alarm {
    const made = new Alarm(this, kind, {
      alarmName: alarmNameOf(this.#prefix, kind),
      metric,
      ...("from" in bound ? reaching(bound.from) : silentBelow(bound.below)),
      evaluationPeriods: periods,
      alarmDescription: `${says} See docs/runbook.md, ${kind}.`,
    });
    made.addAlarmAction(new SnsAction(this.#topic));
    made.addOkAction(new SnsAction(this.#topic));
    return made;
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
