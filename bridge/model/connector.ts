import type * as z from "zod";
import type { Json, JsonObject } from "../values/json.ts";
import type { Outcome } from "./outcome.ts";
import type { Packet } from "./packet.ts";

/** One request to a target. */
export interface HttpRequest {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Build it with `joinUrl`, so that values are encoded. */
  readonly url: string;
  /** Sent as `application/json`, or as `jsonType`. */
  readonly json?: unknown;
  readonly jsonType?: `application/${string}+json`;
  /** Sent as it is, instead of `json`. */
  readonly text?: { readonly type: string; readonly body: string };
  readonly headers?: Readonly<Record<string, string>>;
  /** The same for every try of a packet: sent as `Idempotency-Key`. */
  readonly idempotencyKey?: string;
  /** Who we are to a target that asks for a certificate, and whom we trust besides the system's authorities. */
  readonly tls?: Tls | undefined;
  readonly signal?: AbortSignal;
}

/** All in PEM. */
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

/** The one way out over HTTP. See connectors/protocols/http/client.ts for its manners. */
export interface Http {
  /** The answer as it came. @throws {HttpFault} where none came, or one that cannot be trusted */
  request(request: HttpRequest): Promise<HttpResponse>;
  /** The answer as an outcome, by the usual manners of a JSON API. */
  deliver(request: HttpRequest): Promise<Outcome>;
  /** Whether anybody answers: any status below 500. */
  isAwake(url: string, signal?: AbortSignal, tls?: Tls): Promise<boolean>;
}

/** What a connector is handed for one try. */
export interface Context<Config, Secret> {
  readonly config: Config;
  readonly secret: Secret;
  readonly http: Http;
  readonly memory: ConnectorState;
  /** Aborts when the try's time is over. */
  readonly signal: AbortSignal;
}

/** What a connector remembers of its target from one try to the next, in whichever process: the last file's number. */
export interface ConnectorState {
  get(): Promise<Json | undefined>;
  /** @throws where another process has set it since it was got */
  set(value: Json): Promise<void>;
  /** Whether a packet is not closed yet: what was remembered for it may be needed again. */
  isOpen(packet: string): Promise<boolean>;
}

/** A folder of a bucket: `s3://bucket/drop/`, or `s3://bucket/` for all of it. */
export interface S3Place {
  readonly place: string;
  /** The ARN of the KMS key its objects are encrypted with. Absent: as the bucket says. */
  readonly kmsKey?: string | undefined;
}

/** What a connector's function must be allowed on AWS beside its secret, or why a configuration cannot be deployed. */
export type Needs = { readonly puts: readonly S3Place[] } | { readonly fault: string };

/** What knows how to talk to one outside system. */
export interface Connector<Config = unknown, Secret = unknown> {
  /** PascalCase, as sheets name it. */
  readonly name: string;
  /** `v1`, `v2` …: two versions are two connectors, deployed side by side. */
  readonly version: string;
  /** `latest`: newer values win, for state. `strict`: every packet, in order, for journals. */
  readonly order: "latest" | "strict";
  /** `entity` (the default): order matters for one record. `connector`: for all it sends, as with numbered files. */
  readonly lane?: "entity" | "connector";
  /**
   * The one thing at the target that all its packets change. Order and sameness are then kept for that, whatever records
   * the events are about. Absent: each record is a thing of its own.
   */
  readonly resource?: string;
  /** Whether it can delete. Absent: a sheet that asks it to is faulty. */
  readonly deletes?: boolean;
  /** Whether the target takes the same packet twice without a second effect. If not, a doubtful try is held. */
  readonly idempotent: boolean;
  readonly config: z.ZodType<Config>;
  readonly secret?: z.ZodType<Secret>;
  /** Absent: nothing but its secret. */
  needs?(config: Config): Needs;
  readonly rate: {
    /** Sends at once. */
    readonly concurrency: number;
    /** For the whole connector. */
    readonly perSecond?: number;
  };
  /** One try. Expected failures are outcomes; what it throws counts as a retry that may have landed. */
  send(packet: Packet, context: Context<Config, Secret>): Promise<Outcome>;
  /**
   * Where the target takes many at once: one try of up to ten packets, each of another lane. An outcome a packet, in
   * their order.
   */
  sendBatch?(packets: readonly Packet[], context: Context<Config, Secret>): Promise<readonly Outcome[]>;
  /** Whether the target would take a packet now. */
  probe(context: Context<Config, Secret>): Promise<boolean>;
  /**
   * Where the target calls no door: what it has that is new. Asked every minute, with a memory that is the asking's own.
   * What it throws is told by its kind alone.
   */
  poll?(context: Context<Config, Secret>): Promise<Polled | NotPolled>;
  /** Whether one that is configured like this is to be asked. Absent: where it can be, it is. */
  polls?(config: Config): boolean;
}

/** One thing an outside system says. */
export interface InboundMessage {
  /** The same when it says the same again. */
  readonly id: string;
  /** ms since the epoch */
  readonly at: number;
  readonly data: JsonObject;
  /** Why it cannot be read, without a value of it: it is quarantined with this reason, and `data` is for the operator. */
  readonly unreadable?: string;
}

/** What a target had that was new. */
export interface Polled {
  /** In their order; at most some hundreds. */
  readonly messages: readonly InboundMessage[];
  /** There is more: it is asked again at once, and not in a minute. */
  readonly more?: boolean;
  /** Called when none of them can be lost any more: to move the watermark, or the files. */
  taken(): Promise<void>;
}

/** Why a target could not be asked. */
export interface NotPolled {
  /** For a log: without a secret, and without a value of the target's. */
  readonly fault: string;
  /** Its credentials were refused: they are fetched anew before it is asked again. */
  readonly auth?: boolean;
}

/** A connector as one declares it: with `send`, or with `sendBatch` where the target takes many at once. */
export type Declaration<Config, Secret> = Omit<Connector<Config, Secret>, Defaulted | "send" | "sendBatch"> &
  Partial<Pick<Connector<Config, Secret>, Defaulted>> &
  (Pick<Connector<Config, Secret>, "send"> | Required<Pick<Connector<Config, Secret>, "sendBatch">>);

type Defaulted = "version" | "order" | "rate";

/** Declares a connector; its types follow from its schemas. If not said: `v1`, `latest`, ten sends at once. */
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

/** `WorkForceNow@v2`: what queues, shadows and the ledger call it. */
export function connectorId(connector: Pick<Connector, "name" | "version">): string {
  return `${connector.name}@${connector.version}`;
}

/** The connectors at hand, by id. */
export class Catalog {
  readonly #byId: ReadonlyMap<string, Connector>;

  // biome-ignore lint/suspicious/noExplicitAny: each connector's schemas guard its own config and secret
  constructor(connectors: readonly Connector<any, any>[]) {
    const byId = new Map<string, Connector>();
    for (const connector of connectors) {
      const id = connectorId(connector);
      if (byId.has(id)) throw new Error(`two connectors are called ${id}; give one another name or version`);
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

  /** A connector's versions, oldest first. */
  versionsOf(name: string): Connector[] {
    const numberOf = ({ version }: Connector) => Number(version.slice(1));
    return [...this.#byId.values()]
      .filter((connector) => connector.name === name)
      .sort((a, b) => numberOf(a) - numberOf(b));
  }

  /**
   * Finds what a sheet means: `WorkForceNow@v2`, or by the name alone its oldest version, so that a newer one put beside
   * it changes no sheet.
   */
  find(reference: string): { connector: Connector } | { fault: string } {
    const exact = this.#byId.get(reference);
    if (exact) return { connector: exact };
    const [oldest] = this.versionsOf(reference);
    if (oldest) return { connector: oldest };
    return { fault: `no connector is called ${reference}; there are ${this.ids.join(", ") || "none"}` };
  }
}
