import { createSecretKey, hash, type KeyObject } from "node:crypto";
import {
  GetSecretValueCommand,
  ResourceNotFoundException,
  type SecretsManagerClient,
} from "@aws-sdk/client-secrets-manager";
import type { SecretsPort } from "../../bridge/ports.ts";
import { secretNameOf } from "./names.ts";

/** How long a secret is believed before Secrets Manager is asked again, though no target has refused it. */
const believedMs = 5 * 60_000;

/** Connectors' secrets in Secrets Manager, by connector id or name below the deployment's: `hms-bridge/WorkForceNow@v2`. */
export class AwsSecrets implements SecretsPort {
  readonly #client: SecretsManagerClient;
  readonly #deployment: string;
  readonly #cached = new Map<string, { readonly value: Promise<unknown>; readonly until: number }>();

  constructor(client: SecretsManagerClient, deployment: string) {
    this.#client = client;
    this.#deployment = deployment;
  }

  get(connector: string): Promise<unknown> {
    const known = this.#cached.get(connector);
    if (known && known.until > Date.now()) return known.value;
    const value = this.#read(connector);
    this.#cached.set(connector, { value, until: Date.now() + believedMs });
    value.catch(() => this.#cached.delete(connector));
    return value;
  }

  async refresh(connector: string): Promise<void> {
    this.#cached.delete(connector);
  }

  /** Its own, else the one all versions of the connector share. */
  async #read(connector: string): Promise<unknown> {
    for (const name of new Set([connector, connector.split("@")[0] as string])) {
      const value = await this.#readOne(secretNameOf(this.#deployment, name));
      if (value !== undefined) return value;
    }
    return undefined;
  }

  async #readOne(name: string): Promise<unknown> {
    let text: string | undefined;
    try {
      text = (await this.#client.send(new GetSecretValueCommand({ SecretId: name }))).SecretString;
    } catch (error) {
      if (error instanceof ResourceNotFoundException) return undefined;
      throw error;
    }
    try {
      return JSON.parse(text ?? "");
    } catch {
      // Without the cause: a JSON error repeats what stands there.
      throw new Error(`the secret ${name} is not JSON; it must be an object such as {"token": "…"}`);
    }
  }
}

/** The key that hides entities and values in hashes: 32 bytes, made of what the state stack had generated once. */
export async function readBridgeKey(client: SecretsManagerClient, secretId: string): Promise<KeyObject> {
  const { SecretString = "" } = await client.send(new GetSecretValueCommand({ SecretId: secretId }));
  if (SecretString.length < 32) throw new Error("the bridge's own key is not as it was made; restore it from a backup");
  return createSecretKey(hash("sha256", SecretString, "buffer"));
}
