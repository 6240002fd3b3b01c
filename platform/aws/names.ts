import type { QueueName } from "../../bridge/ports/queue.ts";

/**
 * SQS name of a queue, prefixed with the deployment's name.
 *
 * Lane queues and outboxes are FIFO, so their names must end in `.fifo`. A connector's `@` is replaced, because SQS
 * does not allow it in names.
 * Source: Amazon SQS quotas: 80 characters of A-Z, a-z, 0-9, hyphen and underscore.
 */
export function queueNameOf(deployment: string, queue: QueueName): string {
  const [kind, connector] = queue.split(":");
  return connector === undefined
    ? `${deployment}-${kind}`
    : `${deployment}-${kind}-${connector.replaceAll("@", "-")}.fifo`;
}

/** Functions that can make packets and therefore read the sheets. */
export const sheetReaders = ["mapper", "watchdog", "ops"] as const;
export type SheetReader = (typeof sheetReaders)[number];

export type Parameter =
  | "packets-table"
  | `${"ops" | "inbound"}-url`
  | `ledger-${"table" | "stream" | "bucket"}`
  | `${"bridge-" | "seal-" | ""}key`
  | "bus"
  | "sheets"
  | `role-${SheetReader}`;

/**
 * Parameter Store name of a value that one stack passes to others.
 *
 * CloudFormation exports are not used, because they keep a stack from changing a value that another one imports.
 */
export function parameterOf(deployment: string, parameter: Parameter): string {
  return `/${deployment}/${parameter}`;
}

/** Events that the bridge accepts from the bus: those published by HMS services, without its own. */
export const acceptedEvents = { sourcePrefix: "hms.", ownTypePrefix: "sync." } as const;

/** Source of a deployment's alerts on the bus. The bridge's own rule does not match it. */
export function alertSourceOf(deployment: string): string {
  return `hms-sync-bridge/${deployment}`;
}

/** Name of the topic that alerts are sent to. */
export function alertTopicOf(deployment: string): string {
  return `${deployment}-alerts`;
}

/** Keys in the ledger bucket: prefixes of copied entries, forbidden table changes and seals, and the public key. */
export const ledgerObjects = {
  entries: "entries/",
  tampered: "tampered/",
  seals: "seals/",
  publicKey: "seal-key.pem",
} as const;

/** Names in AppConfig of a deployment's sheets. */
export function appConfigNamesOf(deployment: string) {
  return { application: deployment, environment: "live", profile: "sheets" } as const;
}

/** Name of a connector's secret in Secrets Manager. Operators manage these secrets; the stacks do not. */
export function secretNameOf(deployment: string, connector: string): string {
  return `${deployment}/${connector}`;
}

/** Index names of the packets table. */
export const packetIndexes = { byTime: "by-time", waiting: "waiting" } as const;

/** @param name without the deployment's prefix */
export function functionNameOf(deployment: string, name: string): string {
  return `${deployment}-${name}`;
}

/** Name of a connector's probe function, without the deployment's prefix. */
export function probeNameOf(connector: string): string {
  return `${connector.replaceAll("@", "-")}-probe`;
}
