export interface SecretsPort {
  /** A connector's secret as stored: a JSON object. `undefined` where there is none. */
  get(connector: string): Promise<unknown>;
  /** Forgets what was cached, so that the next `get` sees a rotated secret. */
  refresh(connector: string): Promise<void>;
}
