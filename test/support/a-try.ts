import type { Connector, ConnectorState, Context, Http } from "../../bridge/model/connector.ts";
import type { Json } from "../../bridge/values/json.ts";

/** What a try is made with, beside its packets; to a target that is not spoken to over HTTP. */
export interface TryOptions {
  readonly config: unknown;
  readonly secret?: unknown;
  readonly memory?: ConnectorState;
  readonly signal?: AbortSignal;
}

/** The context of a try, checked by the connector's own schemas. */
export function aTry<Config, Secret>(
  connector: Connector<Config, Secret>,
  { config, secret, memory = aMemory(), signal = new AbortController().signal }: TryOptions,
): Context<Config, Secret> {
  const noHttp = new Proxy({} as Http, {
    get() {
      throw new Error("this connector does not speak HTTP");
    },
  });
  return {
    config: connector.config.parse(config),
    secret: connector.secret?.parse(secret) as Secret,
    http: noHttp,
    memory,
    signal,
  };
}

/** What a connector remembers, in a test: one process, and nobody else writes. */
export function aMemory(value?: Json): ConnectorState & { value: Json | undefined } {
  return {
    value,
    async get() {
      return this.value;
    },
    async set(next) {
      this.value = next;
    },
    isOpen: async () => false,
  };
}
