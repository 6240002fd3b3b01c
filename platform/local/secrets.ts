import { createSecretKey, type KeyObject, randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import type { SecretsPort } from "../../bridge/ports/secrets.ts";

/**
 * Secrets from a file only its owner can read, else from the environment. A file that was changed is read again.
 *
 * The file holds a JSON object: connector name or id to its secret. In the environment `WorkForceNow@v2` is
 * `BRIDGE_SECRET_WORKFORCENOW_V2`, or `BRIDGE_SECRET_WORKFORCENOW` for all versions, as a JSON object.
 */
export class LocalSecrets implements SecretsPort {
  readonly #file: string;
  readonly #env: NodeJS.ProcessEnv;
  #cached: Record<string, unknown> | undefined;
  /** What the file looked like from outside when it was last read. */
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
 * Sets one connector's secret and leaves the others.
 *
 * @throws where the file holds something else, or others can read it
 */
export function setSecret(file: string, connector: string, secret: unknown): void {
  const text = readPrivateFile(file);
  const known = text === undefined ? {} : (parseSecret(text, file) as Record<string, unknown>);
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  replacePrivateFile(file, `${JSON.stringify({ ...known, [connector]: secret }, null, 2)}\n`);
}

/** The message names the place and never repeats what stands there, which a JSON error would. */
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

/** @throws where others than the owner may read it; `undefined` where it does not exist */
export function readPrivateFile(file: string): string | undefined {
  const stat = statSync(file, { throwIfNoEntry: false });
  if (!stat) return undefined;
  if (process.platform !== "win32" && (stat.mode & 0o077) !== 0) {
    throw new Error(`${file} can be read by others; run: chmod 600 ${file}`);
  }
  return readFileSync(file, "utf8");
}

/** The key that hides entities and values in hashes: 32 bytes, made the first time and kept. */
export function bridgeKeyIn(file: string): KeyObject {
  const known = readPrivateFile(file);
  if (known !== undefined) {
    const key = Buffer.from(known.trim(), "hex");
    if (key.length !== 32) throw new Error(`${file} does not hold 32 bytes in hex; restore it from a backup`);
    return createSecretKey(key);
  }
  const key = randomBytes(32);
  // Two processes began at once; the first one's key counts.
  return writePrivateFile(file, `${key.toString("hex")}\n`) ? createSecretKey(key) : bridgeKeyIn(file);
}

/** Writes a file only its owner can read, in the place of one that may be there: whoever reads finds either. */
export function replacePrivateFile(file: string, text: string): void {
  const beside = `${file}.${process.pid}`;
  writeFileSync(beside, text, { mode: 0o600 });
  renameSync(beside, file);
}

/** Writes a file only its owner can read. @returns whether it was written: not where there is one already */
export function writePrivateFile(file: string, text: string): boolean {
  try {
    writeFileSync(file, text, { mode: 0o600, flag: "wx" });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}
