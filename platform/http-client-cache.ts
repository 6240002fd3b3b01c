import type { Engine } from "../bridge/engine.ts";
import type { Http } from "../bridge/model/connector.ts";

/** Creates each connector's HTTP client at its first call and keeps it, so that its connections are reused. */
export function createHttpClientCache(make: (config: unknown) => Http): Engine["http"] {
  const clients = new Map<string, Http>();
  return (connector, config) => {
    const client = clients.get(connector) ?? make(config);
    clients.set(connector, client);
    return client;
  };
}
