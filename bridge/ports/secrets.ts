/** Read access to the connectors' secrets. */
export interface SecretsPort {
  /** Returns a connector's secret as stored, a JSON object, or `undefined` if it has none. */
  get(connector: string): Promise<unknown>;
  /** Clears the cached secret, so that the next `get` sees a rotated one. */
  refresh(connector: string): Promise<void>;
}
