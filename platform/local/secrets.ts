import { createSecretKey, type KeyObject, randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import type { SecretsPort } from "../../bridge/ports/secrets.ts";

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
export function setSecret(file: string, connector: string, secret: unknown): void {
  const text = readPrivateFile(file);
  const known = text === undefined ? {} : (parseSecret(text, file) as Record<string, unknown>);
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  replacePrivateFile(file, `${JSON.stringify({ ...known, [connector]: secret }, null, 2)}\n`);
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

/**
 * Reads the 32-byte key for hashing entities and values, and creates it the first time.
 *
 * @throws {Error} if the file does not hold 32 bytes in hex
 */
export function bridgeKeyIn(file: string): KeyObject {
  const known = readPrivateFile(file);
  if (known !== undefined) {
    const key = Buffer.from(known.trim(), "hex");
    if (key.length !== 32) throw new Error(`${file} does not hold 32 bytes in hex; restore it from a backup`);
    return createSecretKey(key);
  }
  const key = randomBytes(32);
  // If another process has created the file in the meantime, that key is used.
  return writePrivateFile(file, `${key.toString("hex")}\n`) ? createSecretKey(key) : bridgeKeyIn(file);
}

/** Writes or replaces a file that only its owner can read. Readers see either the old or the new content. */
export function replacePrivateFile(file: string, text: string): void {
  const temporary = `${file}.${process.pid}`;
  writeFileSync(temporary, text, { mode: 0o600 });
  renameSync(temporary, file);
}

/**
 * Creates a file that only its owner can read.
 *
 * @returns false if the file already exists; it is left unchanged
 */
export function writePrivateFile(file: string, text: string): boolean {
  try {
    writeFileSync(file, text, { mode: 0o600, flag: "wx" });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}
