import type { QueueName } from "../../bridge/ports/queue.ts";

/**
 * A queue's name on SQS, below the deployment's own name.
 *
 * Lane queues and outboxes are FIFO, which their names must say. A connector's `@` is no letter SQS knows.
 * Source: Amazon SQS quotas: 80 characters of A-Z, a-z, 0-9, hyphen and underscore.
 */
export function queueNameOf(deployment: string, queue: QueueName): string {
  const [kind, connector] = queue.split(":");
  return connector === undefined
    ? `${deployment}-${kind}`
    : `${deployment}-${kind}-${connector.replaceAll("@", "-")}.fifo`;
}

/** The functions that make packets, or may, and so read the sheets. */
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

/** Where the deployment's stacks tell each other what they have made: Parameter Store, so that no stack locks another. */
export function parameterOf(deployment: string, what: Parameter): string {
  return `/${deployment}/${what}`;
}

/** What the bridge takes off the bus: what HMS services publish, and nothing of its own. */
export const heard = { sourcePrefix: "hms.", ownTypePrefix: "sync." } as const;

/** Where the bridge's own alerts come from, on the bus: of one deployment, and nothing its own rule takes. */
export function alertSourceOf(deployment: string): string {
  return `hms-sync-bridge/${deployment}`;
}

/** The topic that alerts go to. */
export function alertTopicOf(deployment: string): string {
  return `${deployment}-alerts`;
}

/** What the ledger's bucket holds: copies of entries, what was done to the table besides appending, and seals. */
export const ledgerPlaces = {
  entries: "entries/",
  tampered: "tampered/",
  seals: "seals/",
  publicKey: "seal-key.pem",
} as const;

/** What AppConfig calls the place of a deployment's sheets. */
export function sheetsPlace(deployment: string) {
  return { application: deployment, environment: "live", profile: "sheets" } as const;
}

/** A connector's secret in Secrets Manager. Kept by an operator, not by the stacks. */
export function secretNameOf(deployment: string, connector: string): string {
  return `${deployment}/${connector}`;
}

/** The indexes of the packets table. */
export const packetIndexes = { byTime: "by-time", waiting: "waiting" } as const;

/** @param name below the deployment's */
export function functionNameOf(deployment: string, name: string): string {
  return `${deployment}-${name}`;
}

/** The function that asks a connector's target whether it is awake, below the deployment's name. */
export function probeNameOf(connector: string): string {
  return `${connector.replaceAll("@", "-")}-probe`;
}
