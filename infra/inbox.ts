import { Stack } from "aws-cdk-lib";
import { PolicyStatement, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import type { IKey } from "aws-cdk-lib/aws-kms";
import { type IQueue, Queue } from "aws-cdk-lib/aws-sqs";
import { Construct } from "constructs";
import { queueNameOf } from "../platform/aws/names.ts";
import { pathQueue } from "./queues.ts";
import type { Settings } from "./settings.ts";

/** Returns the name of the bus that HMS publishes to: the agency's, or one that the bridge creates. */
export function busNameOf({ bus, name }: Settings): string {
  return bus ?? name;
}

export function ruleNameOf({ name }: Settings): string {
  return `${name}-hms-events`;
}

export function ruleDeadNameOf(deployment: string): string {
  return `${deployment}-rule-dead`;
}

/**
 * Queues that may hold events not recorded yet: the inbox, its dead-letter queue, and the dead-letter queue of the
 * EventBridge rule.
 *
 * They are part of the retained state, so the path stack can be deleted and created again without losing events.
 */
export class Inbox extends Construct {
  constructor(scope: Construct, id: string, { key, settings }: { key: IKey; settings: Settings }) {
    super(scope, id);
    const { name: deployment } = settings;
    const ruleDead = pathQueue(this, "RuleDeadLetters", { key, name: ruleDeadNameOf(deployment), kept: true });
    const deadLetters = pathQueue(this, "DeadLetters", {
      key,
      name: queueNameOf(deployment, "inbox-dead"),
      kept: true,
    });
    const inbox = pathQueue(this, "Queue", { key, name: queueNameOf(deployment, "inbox"), kept: true, deadLetters });

    const bus = busNameOf(settings);
    const events = (resource: string, resourceName: string) =>
      Stack.of(this).formatArn({ service: "events", resource, resourceName });
    const ruleName = ruleNameOf(settings);
    const rule = events("rule", bus === "default" ? ruleName : `${bus}/${ruleName}`);
    allowEvents(inbox, rule);
    allowEvents(ruleDead, rule);
    if (settings.bus === undefined) allowEvents(ruleDead, events("event-bus", bus));
  }
}

export interface InboxQueues {
  readonly inbox: IQueue;
  readonly inboxDead: IQueue;
  /** Events that EventBridge could not deliver to the inbox. */
  readonly ruleDead: IQueue;
}

/** Imports the queues into another stack by their names. */
export function inboxQueues(scope: Construct, deployment: string, key: IKey): InboxQueues {
  const imported = (id: string, name: string): IQueue =>
    Queue.fromQueueAttributes(scope, id, {
      queueArn: Stack.of(scope).formatArn({ service: "sqs", resource: name }),
      keyArn: key.keyArn,
    });
  return {
    inbox: imported("Inbox", queueNameOf(deployment, "inbox")),
    inboxDead: imported("InboxDeadLetters", queueNameOf(deployment, "inbox-dead")),
    ruleDead: imported("RuleDeadLetters", ruleDeadNameOf(deployment)),
  };
}

/** Lets EventBridge put events on a queue, for one rule or bus only. */
export function allowEvents(queue: Queue, sourceArn: string): void {
  queue.addToResourcePolicy(
    new PolicyStatement({
      principals: [new ServicePrincipal("events.amazonaws.com")],
      actions: ["sqs:SendMessage"],
      resources: [queue.queueArn],
      conditions: { ArnEquals: { "aws:SourceArn": sourceArn } },
    }),
  );
}
