import { createSecretKey, type KeyObject, randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, statSync } from "node:fs";
import { dirname } from "node:path";
import type { SecretsPort } from "../../bridge/ports/secrets.ts";
import { BridgeError } from "../../bridge/values/bridge-error.ts";
import { createFile, replaceFile, syncFile } from "../durable-file.ts";
import { waitForLock } from "./lock.ts";

/**
 * Reads secrets from a file that only its owner can read, else from the environment. A changed file is read again.
 *
 * The file holds a JSON object with the secrets by connector name or id. In the environment, the secret of
 * `WorkForceNow@v2` is the JSON object in `BRIDGE_SECRET_WORKFORCENOW_V2`, or in `BRIDGE_SECRET_WORKFORCENOW` for all
 * versions.
 */
export class LocalSecrets implements SecretsPort {
  readonly #file: string;
  readonly #env: NodeJS.ProcessEnv;
  #cached: Record<string, unknown> | undefined;
  /** Signature of the file at the last read. */
  #seen: string | undefined;

  constructor(file: string, env: NodeJS.ProcessEnv) {
    this.#file = file;
    this.#env = env;
  }

  async get(connector: string): Promise<unknown> {
    const seen = signatureOf(this.#file);
    if (seen !== this.#seen) this.#cached = undefined;
    this.#seen = seen;
    this.#cached ??= this.#read();
    const [name = connector] = connector.split("@");
    for (const key of [connector, name]) {
      if (Object.hasOwn(this.#cached, key)) return this.#cached[key];
      const variable = `BRIDGE_SECRET_${key.toUpperCase().replace(/[^A-Z0-9]/g, "_")}`;
      const text = this.#env[variable];
      if (text !== undefined) return parseSecret(text, `the environment variable ${variable}`);
    }
    return undefined;
  }

  async refresh(): Promise<void> {
    this.#cached = undefined;
  }

  #read(): Record<string, unknown> {
    const text = readPrivateFile(this.#file);
    return text === undefined ? {} : (parseSecret(text, this.#file) as Record<string, unknown>);
  }
}

function signatureOf(file: string): string {
  const stat = statSync(file, { throwIfNoEntry: false });
  return stat ? `${stat.ino} ${stat.mtimeMs} ${stat.size} ${stat.mode}` : "";
}

/**
 * Sets one connector's secret and leaves the others unchanged.
 *
 * @throws {Error} if the file is not a JSON object, or others can read it
 */
export async function setSecret(file: string, connector: string, secret: unknown): Promise<void> {
  const text = readPrivateFile(file);
  const known = text === undefined ? {} : (parseSecret(text, file) as Record<string, unknown>);
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  await replaceFile(file, `${JSON.stringify({ ...known, [connector]: secret }, null, 2)}\n`);
}

/** @throws {Error} if the text is not a JSON object. Unlike a JSON error, the message never quotes the text. */
function parseSecret(text: string, where: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Error(`${where} is not JSON; it must be an object such as {"token": "…"}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Error(`${where} is not a JSON object such as {"token": "…"}`);
  }
  return value;
}

/**
 * Reads a file that only its owner may read; returns `undefined` if it does not exist.
 *
 * @throws {Error} if others may read it
 */
export function readPrivateFile(file: string): string | undefined {
  const stat = statSync(file, { throwIfNoEntry: false });
  if (!stat) return undefined;
  if (process.platform !== "win32" && (stat.mode & 0o077) !== 0) {
    throw new Error(`${file} can be read by others; run: chmod 600 ${file}`);
  }
  return readFileSync(file, "utf8");
}

/** Facts about the store that decide if its key may be created. */
export interface KeyOptions {
  /** Returns true if the store has records. They refer to hashes by the key, so another key would not fit them. */
  readonly hasRecords: () => boolean;
}

/**
 * Reads the 32-byte key for hashing entities and values, and creates it for a store without records.
 *
 * @throws {BridgeError} if the key is missing or damaged and the store has records
 */
export async function bridgeKeyIn(file: string, options: KeyOptions): Promise<KeyObject> {
  const known = keyIn(readPrivateFile(file));
  if (known) {
    // The process that created it may have crashed before its name was on disk, and the first record refers to it.
    if (!options.hasRecords()) await syncFile(file);
    return known;
  }
  const lock = await waitForLock(`${file}.lock`);
  try {
    return await readOrCreateKey(file, options);
  } finally {
    lock.release();
  }
}

async function readOrCreateKey(file: string, { hasRecords }: KeyOptions): Promise<KeyObject> {
  const found = readPrivateFile(file);
  const known = keyIn(found);
  if (known) return known;
  const isDamaged = found !== undefined && !isIncomplete(found);
  if (isDamaged || hasRecords()) {
    const fault = found === undefined ? "is missing, but the store has records that need it" : damagedKey;
    throw new BridgeError("store-unavailable", `${file} ${fault}; restore it from a backup of the store`);
  }
  const key = randomBytes(32);
  const text = `${key.toString("hex")}\n`;
  if (found !== undefined) await replaceFile(file, text);
  // A process of an earlier release, which knows no lock, was first.
  else if (!(await createFile(file, text))) return readOrCreateKey(file, { hasRecords });
  return createSecretKey(key);
}

const damagedKey = "does not hold 32 bytes in hex";

/** Returns the key in a file's text, or `undefined` if it is damaged. */
function keyIn(text: string | undefined): KeyObject | undefined {
  return text !== undefined && /^[0-9a-f]{64}$/i.test(text.trim()) ? createSecretKey(text.trim(), "hex") : undefined;
}

/**
 * Returns true if a key file is empty or ends early, possibly in zero bytes. Releases up to 2a54c69 left such a file
 * behind if they crashed, or the power failed, while they created the store.
 */
function isIncomplete(text: string): boolean {
  return /^[0-9a-f]{0,64}\0*\s*$/.test(text);
}
