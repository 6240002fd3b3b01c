import type * as z from "zod";
import type { Json, JsonObject } from "../values/json.ts";
import type { Outcome } from "./outcome.ts";
import type { Packet } from "./packet.ts";

/** One request to a target. */
export interface HttpRequest {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Built with `joinUrl`, which encodes values. */
  readonly url: string;
  /** Sent as `application/json`, or as `jsonType`. */
  readonly json?: unknown;
  readonly jsonType?: `application/${string}+json`;
  /** Text body, sent unchanged instead of `json`. */
  readonly text?: { readonly type: string; readonly body: string };
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as `Idempotency-Key`. The same for every attempt of a packet. */
  readonly idempotencyKey?: string;
  /** Client certificate for mutual TLS, and certificate authorities trusted besides the system's. */
  readonly tls?: Tls | undefined;
  readonly signal?: AbortSignal;
}

/** TLS certificates and key, in PEM. */
export interface Tls {
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly ca?: string | undefined;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

/** The HTTP client that all connectors use; connectors/protocols/http/client.ts implements it. */
export interface Http {
  /**
   * Sends a request and returns the raw response.
   *
   * @throws {HttpError} if there is no response, or one that cannot be trusted
   */
  request(request: HttpRequest): Promise<HttpResponse>;
  /** Sends a request and converts the response to an outcome, by the conventions of JSON APIs. */
  deliver(request: HttpRequest): Promise<Outcome>;
  /** Returns true if the URL answers with a status below 500. */
  isAwake(url: string, signal?: AbortSignal, tls?: Tls): Promise<boolean>;
}

/** Environment of one call to a connector. */
export interface Context<Config, Secret> {
  readonly config: Config;
  readonly secret: Secret;
  readonly http: Http;
  readonly memory: ConnectorState;
  /** Aborts when the call's time limit has passed. */
  readonly signal: AbortSignal;
}

/** State that a connector keeps between attempts and across processes, such as the number of the last file. */
export interface ConnectorState {
  get(): Promise<Json | undefined>;
  /** @throws {Error} if another process has set the state since it was read */
  set(value: Json): Promise<void>;
  /** Returns true if a packet is not closed yet, so state kept for it may be needed again. */
  isOpen(packet: string): Promise<boolean>;
}

/** A folder of a bucket (`s3://bucket/drop/`), or a whole bucket (`s3://bucket/`). */
export interface S3Place {
  readonly place: string;
  /** ARN of the KMS key that encrypts the objects. If absent, the bucket's default applies. */
  readonly kmsKey?: string | undefined;
}

/** AWS permissions that a connector's function needs besides its secret, or the reason it cannot be deployed. */
export type Needs = { readonly puts: readonly S3Place[] } | { readonly issue: string };

/** Client of one outside system. */
export interface Connector<Config = unknown, Secret = unknown> {
  /** Name in PascalCase, as used in sheets. */
  readonly name: string;
  /** `v1`, `v2` … Two versions are two separate connectors. */
  readonly version: string;
  /** `latest`: newer values win, for state. `strict`: every packet is sent in order, for journals. */
  readonly order: "latest" | "strict";
  /**
   * Treatment of a packet of a strict connector that arrives after something newer of its lane was sent: `hold` (the
   * default) leaves it to an operator, `send` sends it out of order and raises an alert.
   */
  readonly late?: "hold" | "send";
  /** Scope of the order: one entity (the default) or the whole connector, for example for numbered files. */
  readonly lane?: "entity" | "connector";
  /**
   * Name of the single resource that all packets change at the target. Order and shadow are then kept for this resource
   * instead of per entity. If absent, each entity is a separate resource.
   */
  readonly resource?: string;
  /** True if it can delete. If not, a sheet that uses it with `action: delete` is invalid. */
  readonly deletes?: boolean;
  /** True if sending a packet twice has no second effect. Otherwise a packet that may have landed is held. */
  readonly idempotent: boolean;
  readonly config: z.ZodType<Config>;
  readonly secret?: z.ZodType<Secret>;
  /** Returns the AWS permissions needed. If absent, only the secret's. */
  needs?(config: Config): Needs;
  /**
   * Returns the parts of a configuration that say where the connector sends. If they change, its shadows may describe
   * another system. If absent, all URLs, and settings with names such as `host`, `database`, `table` or `folder`.
   */
  address?(config: Config): Json;
  readonly rate: {
    /** Concurrent sends. */
    readonly concurrency: number;
    /** Sends per second for the whole connector. */
    readonly perSecond?: number;
  };
  /** Makes one attempt. Expected failures are outcomes; a thrown error counts as a retry that may have landed. */
  send(packet: Packet, context: Context<Config, Secret>): Promise<Outcome>;
  /** Makes one attempt for up to ten packets of different lanes. Returns one outcome per packet, in their order. */
  sendBatch?(packets: readonly Packet[], context: Context<Config, Secret>): Promise<readonly Outcome[]>;
  /** Returns true if the target would accept a packet now. */
  probe(context: Context<Config, Secret>): Promise<boolean>;
  /**
   * Polls a target that sends no webhooks for new messages. Called every minute, with connector state of its own. A
   * thrown error is logged by its name only.
   */
  poll?(context: Context<Config, Secret>): Promise<Polled | NotPolled>;
  /** Returns true if a configuration has polling enabled. If absent, a connector with `poll` is always polled. */
  polls?(config: Config): boolean;
}

/** One message from an outside system. */
export interface InboundMessage {
  /** Id of the message. It stays the same if the message is redelivered. */
  readonly id: string;
  /** Time of the message, in ms since the epoch. */
  readonly at: number;
  readonly data: JsonObject;
  /**
   * Reason the message is quarantined, without any of its values. `data` is then shown only to the operator.
   */
  readonly unreadable?: string;
}

/** New messages of a polled target. */
export interface Polled {
  /** The messages in order; at most a few hundred. */
  readonly messages: readonly InboundMessage[];
  /** True if there are more messages, so the target is polled again at once. */
  readonly more?: boolean;
  /** Called once all messages are stored, to advance the watermark or move the files. */
  taken(): Promise<void>;
}

/** Reason a target could not be polled. */
export interface NotPolled {
  /** Reason for the log. Contains no secret and no value from the target. */
  readonly reason: string;
  /** True if the credentials were refused. They are fetched again before the next poll. */
  readonly auth?: boolean;
}

/**
 * Argument of `defineConnector`: a connector with `send`, or with `sendBatch` if the target accepts several packets at
 * once.
 */
export type Declaration<Config, Secret> = Omit<Connector<Config, Secret>, Defaulted | "send" | "sendBatch"> &
  Partial<Pick<Connector<Config, Secret>, Defaulted>> &
  (Pick<Connector<Config, Secret>, "send"> | Required<Pick<Connector<Config, Secret>, "sendBatch">>);

type Defaulted = "version" | "order" | "rate";

/** Declares a connector, with types inferred from its schemas. Defaults: `v1`, `latest`, ten concurrent sends. */
export function defineConnector<Config, Secret = undefined>(
  declaration: Declaration<Config, Secret>,
): Connector<Config, Secret> {
  const defaults = { version: "v1", order: "latest", rate: { concurrency: 10 } } as const;
  if ("send" in declaration) return { ...defaults, ...declaration };
  const { sendBatch } = declaration;
  return {
    ...defaults,
    ...declaration,
    send: async (packet, context) => (await sendBatch([packet], context))[0] as Outcome,
  };
}

/** Returns a connector's id, such as `WorkForceNow@v2`, which queues, shadows and the ledger use. */
export function connectorId(connector: Pick<Connector, "name" | "version">): string {
  return `${connector.name}@${connector.version}`;
}

/** The installed connectors, by id. */
export class Catalog {
  readonly #byId: ReadonlyMap<string, Connector>;

  // biome-ignore lint/suspicious/noExplicitAny: each connector's schemas guard its own config and secret
  constructor(connectors: readonly Connector<any, any>[]) {
    const byId = new Map<string, Connector>();
    for (const connector of connectors) {
      const id = connectorId(connector);
      if (byId.has(id)) throw new Error(`two connectors have the id ${id}; rename one or change its version`);
      byId.set(id, connector);
    }
    this.#byId = byId;
  }

  get ids(): string[] {
    return [...this.#byId.keys()].sort();
  }

  get(id: string): Connector | undefined {
    return this.#byId.get(id);
  }

  /** Returns all versions of a connector, oldest first. */
  versionsOf(name: string): Connector[] {
    const numberOf = ({ version }: Connector) => Number(version.slice(1));
    return [...this.#byId.values()]
      .filter((connector) => connector.name === name)
      .sort((a, b) => numberOf(a) - numberOf(b));
  }

  /**
   * Finds a connector by id or by name. A name refers to the oldest version, so adding a version changes no sheet.
   */
  find(reference: string): { connector: Connector } | { issue: string } {
    const exact = this.#byId.get(reference);
    if (exact) return { connector: exact };
    const [oldest] = this.versionsOf(reference);
    if (oldest) return { connector: oldest };
    return { issue: `no connector is called ${reference}; installed: ${this.ids.join(", ") || "none"}` };
  }
}
