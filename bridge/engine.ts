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

/** Everything that processing an event needs: ports, sheets, connectors and settings. */
export interface Engine {
  readonly clock: Clock;
  readonly random: Random;
  readonly queue: QueuePort;
  /** Publishes events as an HMS service does. Resolves once they are durable. Publishing an event twice is safe. */
  readonly publish: (events: readonly SourceEvent[]) => Promise<void>;
  readonly store: StorePort;
  readonly secrets: SecretsPort;
  readonly files: FilesPort;
  /** Returns the sheets and the governance policy in force. */
  readonly sheets: () => SheetSet;
  readonly catalog: Catalog;
  /** Returns a connector's configuration before validation; the connector's own schema validates it. */
  readonly configOf: (connector: string) => unknown;
  readonly http: (connector: string, config: unknown) => Http;
  /** Key for hashing entities and values: 32 bytes, created once. Shadows and lanes depend on it. */
  readonly bridgeKey: KeyObject;
  /** External compliance engine, consulted in addition to the policy. */
  readonly compliance?: CompliancePort | undefined;
  readonly times: Times;
  readonly log: (line: LogLine) => void;
}
