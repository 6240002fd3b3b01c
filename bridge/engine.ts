import type { KeyObject } from "node:crypto";
import type { CompliancePort } from "./governance/compliance-engine.ts";
import type { SheetSet } from "./mapping/sheet-set.ts";
import type { Catalog, Http } from "./model/connector.ts";
import type { SourceEvent } from "./model/event.ts";
import type { Times } from "./model/timings.ts";
import type { LogLine } from "./observability/log.ts";
import type { Clock, Random } from "./ports/clock.ts";
import type { FilesPort } from "./ports/files.ts";
import type { QueuePort } from "./ports/queue.ts";
import type { SecretsPort } from "./ports/secrets.ts";
import type { StorePort } from "./ports/store.ts";

/** Everything the path needs of the world. */
export interface Engine {
  readonly clock: Clock;
  readonly random: Random;
  readonly queue: QueuePort;
  /** Publishes events as an HMS service does. Resolves when none will be lost; publishing one again is safe. */
  readonly publish: (events: readonly SourceEvent[]) => Promise<void>;
  readonly store: StorePort;
  readonly secrets: SecretsPort;
  readonly files: FilesPort;
  /** The sheets and the policy in force. */
  readonly sheets: () => SheetSet;
  readonly catalog: Catalog;
  /** A connector's configuration as given; its own schema checks it. */
  readonly configOf: (connector: string) => unknown;
  readonly http: (connector: string, config: unknown) => Http;
  /** Hides entities and values in hashes. 32 bytes, made once and kept. */
  readonly bridgeKey: KeyObject;
  /** Asked besides the policy, where there is one. */
  readonly compliance?: CompliancePort | undefined;
  readonly times: Times;
  readonly log: (line: LogLine) => void;
}
