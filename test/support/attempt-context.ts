import type { Connector, ConnectorState, Context, Http } from "../../bridge/model/connector.ts";
import type { Json } from "../../bridge/values/json.ts";

/** Parts of a context for an attempt to send to a target that is not reached over HTTP. */
export interface AttemptOptions {
  readonly config: unknown;
  readonly secret?: unknown;
  readonly memory?: ConnectorState;
  readonly signal?: AbortSignal;
}

/** Creates the context of an attempt, validated by the connector's own schemas. */
export function attemptContext<Config, Secret>(
  connector: Connector<Config, Secret>,
  { config, secret, memory = aMemory(), signal = new AbortController().signal }: AttemptOptions,
): Context<Config, Secret> {
  const noHttp = new Proxy({} as Http, {
    get() {
      throw new Error("this connector does not use HTTP");
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

/** Creates a connector's state in memory, for one process. */
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
