import { Duration } from "aws-cdk-lib";
import { Alarm, ComparisonOperator, type IMetric, TreatMissingData } from "aws-cdk-lib/aws-cloudwatch";
import { SnsAction } from "aws-cdk-lib/aws-cloudwatch-actions";
import type { ITopic } from "aws-cdk-lib/aws-sns";
import type { Construct } from "constructs";

export interface AlarmPlan {
  readonly metric: IMetric;
  /** Alarms from here on. */
  readonly from: number;
  /** How many periods in a row. */
  readonly periods: number;
  /** What it means and where to look, for whoever is woken. */
  readonly says: string;
  readonly topic: ITopic;
}

export const aMinute = Duration.minutes(1);

/** An alarm to the topic, and the same when it is over. */
export function alarm(scope: Construct, id: string, { metric, from, periods, says, topic }: AlarmPlan): Alarm {
  const made = new Alarm(scope, id, {
    metric,
    threshold: from,
    evaluationPeriods: periods,
    comparisonOperator: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
    treatMissingData: TreatMissingData.NOT_BREACHING,
    alarmDescription: says,
  });
  made.addAlarmAction(new SnsAction(topic));
  made.addOkAction(new SnsAction(topic));
  return made;
}
