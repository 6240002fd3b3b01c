import { Stack } from "aws-cdk-lib";
import { PolicyStatement, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import type { IKey } from "aws-cdk-lib/aws-kms";
import { type IQueue, Queue } from "aws-cdk-lib/aws-sqs";
import { Construct } from "constructs";
import { queueNameOf } from "../platform/aws/names.ts";
import { pathQueue } from "./queues.ts";
import type { Settings } from "./settings.ts";

/** The bus HMS publishes to: the agency's, or one the bridge makes. */
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
 * The queues that may hold an event nobody has recorded yet: the inbox, what it gave up, and what EventBridge could not
 * bring to it.
 *
 * They belong to what is kept, so that the way of an event can be deleted and made again, and goes on where it ended.
 */
export class Inbox extends Construct {
  constructor(scope: Construct, id: string, { key, settings }: { key: IKey; settings: Settings }) {
    super(scope, id);
    const { name: deployment } = settings;
    const ruleDead = pathQueue(this, "RuleDeadLetters", { key, name: ruleDeadNameOf(deployment), kept: true });
    const dead = pathQueue(this, "DeadLetters", { key, name: queueNameOf(deployment, "inbox-dead"), kept: true });
    const inbox = pathQueue(this, "Queue", { key, name: queueNameOf(deployment, "inbox"), kept: true, dead });

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

/** The same queues, as another stack finds them: by their names. */
export function inboxQueues(scope: Construct, deployment: string, key: IKey): InboxQueues {
  const found = (id: string, name: string): IQueue =>
    Queue.fromQueueAttributes(scope, id, {
      queueArn: Stack.of(scope).formatArn({ service: "sqs", resource: name }),
      keyArn: key.keyArn,
    });
  return {
    inbox: found("Inbox", queueNameOf(deployment, "inbox")),
    inboxDead: found("InboxDeadLetters", queueNameOf(deployment, "inbox-dead")),
    ruleDead: found("RuleDeadLetters", ruleDeadNameOf(deployment)),
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
