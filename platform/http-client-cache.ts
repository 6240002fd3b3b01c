import type { Engine } from "../bridge/engine.ts";
import type { Http } from "../bridge/model/connector.ts";

/** One client a connector, made at its first call and kept, because its connections are. */
export function createHttpClientCache(make: (config: unknown) => Http): Engine["http"] {
  const clients = new Map<string, Http>();
  return (connector, config) => {
    const client = clients.get(connector) ?? make(config);
    clients.set(connector, client);
    return client;
  };
}
