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

/** Everything the path from event to target needs: the ports, the sheets, the connectors and the settings. */
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
  /** Returns a connector's configuration as given. It is not validated: the connector's own schema does that. */
  readonly configOf: (connector: string) => unknown;
  readonly http: (connector: string, config: unknown) => Http;
  /** Key of the hashes that stand for entities and values. 32 bytes, created once; shadows and lanes depend on it. */
  readonly bridgeKey: KeyObject;
  /** External compliance engine, asked in addition to the policy. */
  readonly compliance?: CompliancePort | undefined;
  readonly times: Times;
  readonly log: (line: LogLine) => void;
}
