import { createSecretKey, hash, type KeyObject } from "node:crypto";
import {
  GetSecretValueCommand,
  ResourceNotFoundException,
  type SecretsManagerClient,
} from "@aws-sdk/client-secrets-manager";
import type { Clock } from "../../bridge/ports/clock.ts";
import type { SecretsPort } from "../../bridge/ports/secrets.ts";
import { secretNameOf } from "./names.ts";

/** How long a secret is believed before Secrets Manager is asked again, though no target has refused it. */
const believedMs = 5 * 60_000;

/** How long one is believed to be missing: somebody may be setting it just now, and looking for it to work. */
const missedMs = 10_000;

export interface AwsSecretsOptions {
  readonly client: SecretsManagerClient;
  readonly deployment: string;
  readonly clock: Pick<Clock, "now">;
}

/** Connectors' secrets in Secrets Manager, by connector id or name below the deployment's: `hms-bridge/WorkForceNow@v2`. */
export class AwsSecrets implements SecretsPort {
  readonly #options: AwsSecretsOptions;
  readonly #cached = new Map<string, { readonly value: Promise<unknown>; until: number }>();

  constructor(options: AwsSecretsOptions) {
    this.#options = options;
  }

  get(connector: string): Promise<unknown> {
    const { clock } = this.#options;
    const known = this.#cached.get(connector);
    if (known && known.until > clock.now()) return known.value;
    const asked = { value: this.#read(connector), until: clock.now() + believedMs };
    this.#cached.set(connector, asked);
    asked.value.then(
      (value) => {
        if (value === undefined) asked.until = clock.now() + missedMs;
      },
      () => {
        if (this.#cached.get(connector) === asked) this.#cached.delete(connector);
      },
    );
    return asked.value;
  }

  async refresh(connector: string): Promise<void> {
    this.#cached.delete(connector);
  }

  /** Its own, else the one all versions of the connector share. */
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
