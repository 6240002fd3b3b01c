import { createSecretKey, hash, type KeyObject } from "node:crypto";
import {
  GetSecretValueCommand,
  ResourceNotFoundException,
  type SecretsManagerClient,
} from "@aws-sdk/client-secrets-manager";
import type { Clock } from "../../bridge/ports/clock.ts";
import type { SecretsPort } from "../../bridge/ports/secrets.ts";
import { secretNameOf } from "./names.ts";

/** Time that a secret is cached. It is read again sooner if a target rejects it. */
const cacheMs = 5 * 60_000;

/** Time that a missing secret is cached. Short, because an operator may be about to set it. */
const missingCacheMs = 10_000;

export interface AwsSecretsOptions {
  readonly client: SecretsManagerClient;
  readonly deployment: string;
  readonly clock: Pick<Clock, "now">;
}

/** Connector secrets in Secrets Manager, named by deployment and connector id or name: `hms-bridge/WorkForceNow@v2`. */
export class AwsSecrets implements SecretsPort {
  readonly #options: AwsSecretsOptions;
  readonly #cached = new Map<string, { readonly value: Promise<unknown>; until: number }>();

  constructor(options: AwsSecretsOptions) {
    this.#options = options;
  }

  get(connector: string): Promise<unknown> {
    const { clock } = this.#options;
    const cached = this.#cached.get(connector);
    if (cached && cached.until > clock.now()) return cached.value;
    const entry = { value: this.#read(connector), until: clock.now() + cacheMs };
    this.#cached.set(connector, entry);
    entry.value.then(
      (value) => {
        if (value === undefined) entry.until = clock.now() + missingCacheMs;
      },
      () => {
        if (this.#cached.get(connector) === entry) this.#cached.delete(connector);
      },
    );
    return entry.value;
  }

  async refresh(connector: string): Promise<void> {
    this.#cached.delete(connector);
  }

  /** Reads the secret of this connector version, else the one shared by all versions. */
  async #read(connector: string): Promise<unknown> {
    for (const name of new Set([connector, connector.split("@")[0] as string])) {
      const value = await this.#readOne(secretNameOf(this.#options.deployment, name));
      if (value !== undefined) return value;
    }
    return undefined;
  }

  async #readOne(name: string): Promise<unknown> {
    let text: string | undefined;
    try {
      text = (await this.#options.client.send(new GetSecretValueCommand({ SecretId: name }))).SecretString;
    } catch (error) {
      if (error instanceof ResourceNotFoundException) return undefined;
      throw error;
    }
    try {
      return JSON.parse(text ?? "");
    } catch {
      // Omits the cause, because a JSON error quotes the text.
      throw new Error(`the secret ${name} is not JSON; it must be an object such as {"token": "…"}`);
    }
  }
}

/**
 * Reads the key for hashing entities and values: 32 bytes, derived from the secret that the state stack generated.
 *
 * @throws {Error} if the secret is shorter than the one that was generated
 */
export async function readBridgeKey(client: SecretsManagerClient, secretId: string): Promise<KeyObject> {
  const { SecretString = "" } = await client.send(new GetSecretValueCommand({ SecretId: secretId }));
  if (SecretString.length < 32)
    throw new Error("the bridge's own key is too short to be the generated one; restore it from a backup");
  return createSecretKey(hash("sha256", SecretString, "buffer"));
}
