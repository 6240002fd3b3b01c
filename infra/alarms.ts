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
  /** How many periods in a row. */
  readonly periods: number;
  /** What it means, for whoever is woken; the runbook says what to do. */
  readonly says: string;
};

/** @param prefix the deployment, and the connector where the alarm is one's own */
export function alarmNameOf(prefix: string, kind: AlarmKind): string {
  return `${prefix}-${kind}`;
}

/** Makes alarms that tell a topic when they begin and when they are over. */
export class Alarms extends Construct {
  readonly #prefix: string;
  readonly #topic: ITopic;

  /** @param prefix what the alarms' names begin with: the deployment, and the connector where they are one's own */
  constructor(scope: Construct, id: string, { prefix, topic }: { prefix: string; topic: ITopic }) {
    super(scope, id);
    this.#prefix = prefix;
    this.#topic = topic;
  }

  /** As soon as something is counted at all. */
  whenCounted(kind: AlarmKind, metric: IMetric, says: string): Alarm {
    return this.#when(kind, { metric, from: 1, periods: 1, says });
  }

  /** As soon as calls of a function have ended in an error for 3 min. */
  whenFailing(kind: AlarmKind, failing: IFunction, says: string): Alarm {
    return this.#when(kind, { metric: failing.metricErrors({ period: aMinute }), from: 1, periods: 3, says });
  }

  /** As soon as a queue holds anything for so many minutes. */
  whenFilled(kind: AlarmKind, queue: IQueue, minutes: number, says: string): Alarm {
    const metric = queue.metricApproximateNumberOfMessagesVisible({ period: aMinute, statistic: "Maximum" });
    return this.#when(kind, { metric, from: 1, periods: minutes, says });
  }

  /** As soon as a queue's oldest message has waited for `seconds`, and still does after so many minutes. */
  whenOld(
    kind: AlarmKind,
    queue: IQueue,
    { seconds, minutes }: { readonly seconds: number; readonly minutes: number },
    says: string,
  ): Alarm {
    const metric = queue.metricApproximateAgeOfOldestMessage({ period: aMinute, statistic: "Maximum" });
    return this.#when(kind, { metric, from: seconds, periods: minutes, says });
  }

  /** As soon as a stream's function is so many minutes behind, for 3 min. */
  whenBehind(kind: AlarmKind, reader: IFunction, minutes: number, says: string): Alarm {
    const metric = reader.metric("IteratorAge", { period: aMinute, statistic: "Maximum" });
    return this.#when(kind, { metric, from: Duration.minutes(minutes).toMilliseconds(), periods: 3, says });
  }

  /** As soon as a metric was silent three times in a row: what is never called, or always fails, does not say so itself. */
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
