import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join, resolve, sep } from "node:path";
import { type CreatedSeals, keyNameOf, openSeal, type Signer, sealLedger } from "../../bridge/ledger/seal.ts";
import type { Evidence } from "../../bridge/ledger/sealed-entries.ts";
import type { Clock } from "../../bridge/ports/clock.ts";
import type { RememberedSeal } from "../../bridge/ports/records.ts";
import type { SealsPort, StoredSeal } from "../../bridge/ports/seals.ts";
import { BridgeError } from "../../bridge/values/bridge-error.ts";
import { replaceFile } from "../durable-file.ts";
import { takeLock } from "./lock.ts";
import { readPrivateFile } from "./secrets.ts";
import type { LocalStore } from "./store.ts";

/** File name of the public key in the seals' folder, with which an auditor can verify the seals. */
export const publicKeyFile = "seal-key.pem";

/**
 * Checks that the seals are kept apart from the store, so that access to one does not allow changing both.
 *
 * @throws {TypeError} if the seals' folder is inside the store
 */
export function assertOutsideStore(dir: string, folder: string): void {
  if (`${resolve(folder)}${sep}`.startsWith(`${resolve(dir)}${sep}`)) {
    throw new TypeError(`the seals' folder ${folder} is inside the store; choose one outside it`);
  }
}

export interface SealingOptions {
  /** The store's folder. */
  readonly dir: string;
  /** The seals' folder. */
  readonly folder: string;
  readonly store: LocalStore;
  readonly clock: Clock;
}

/**
 * Seals the ledger of a local store. The private key is in the store and the seals are in a folder outside it, so an
 * auditor who receives the folder can verify the ledger but not forge a seal.
 */
export class Sealing {
  readonly seals: FolderSeals;
  readonly #options: SealingOptions;

  constructor(options: SealingOptions) {
    this.#options = options;
    this.seals = new FolderSeals(options.folder, options.store);
  }

  /**
   * Seals the entries appended since the previous seal.
   *
   * @returns `undefined` if another process is sealing this store
   * @throws {Error} if the folder cannot be written or holds the seals of another store
   */
  async seal(): Promise<CreatedSeals | undefined> {
    const { dir, store, clock } = this.#options;
    const lock = takeLock(join(dir, "seal.lock"));
    if (!lock) return undefined;
    try {
      const signer = await this.#signer();
      return await sealLedger({ appended: store.appended, seals: this.seals, signer, clock });
    } finally {
      lock.release();
    }
  }

  /**
   * Returns the evidence for verifying the ledger.
   *
   * The public key is the store's own, else the one in the seals' folder.
   */
  evidence(): Evidence {
    const { store, clock, folder } = this.#options;
    const own = this.#ownKey();
    const published = join(folder, publicKeyFile);
    const publicKey = own ? createPublicKey(own) : existsSync(published) ? publicKeyIn(published) : undefined;
    return { seals: this.seals, appended: store.appended, publicKey, clock };
  }

  get #keyFile(): string {
    return join(this.#options.dir, "seal-key");
  }

  async #signer(): Promise<Signer> {
    const key = this.#ownKey() ?? (await this.#createKey());
    const publicKey = createPublicKey(key);
    await this.#publish(publicKey);
    return {
      key: keyNameOf(publicKey),
      sign: async (text) => sign("sha256", Buffer.from(text), key).toString("base64"),
    };
  }

  /** Returns the private key, or `undefined` if its file is missing or damaged. */
  #ownKey(): KeyObject | undefined {
    const text = readPrivateFile(this.#keyFile);
    return text === undefined ? undefined : parsedKey(() => createPrivateKey(text));
  }

  /** Creates the private key, or replaces one that a crash left incomplete before it had signed anything. */
  async #createKey(): Promise<KeyObject> {
    const isDamaged = existsSync(this.#keyFile);
    if (isDamaged && (await this.#hasSeals())) {
      throw new BridgeError(
        "store-unavailable",
        `${this.#keyFile} does not hold a private key; restore it from a backup of the store, or delete it and set "seals:" in bridge.yaml to another folder`,
      );
    }
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const pem = privateKey.export({ type: "pkcs8", format: "pem" }) as string;
    await replaceFile(this.#keyFile, pem);
    return privateKey;
  }

  async #hasSeals(): Promise<boolean> {
    return (await this.seals.last()) !== undefined || (await this.seals.remembered()) !== undefined;
  }

  /** Publishes the public key in the seals' folder. Completes a file that a crash left incomplete. */
  async #publish(publicKey: KeyObject): Promise<void> {
    const { folder } = this.#options;
    const file = join(folder, publicKeyFile);
    const pem = publicKey.export({ type: "spki", format: "pem" }) as string;
    mkdirSync(folder, { recursive: true });
    // Renamed and not linked, because write-once shares have no links.
    if (!existsSync(file)) await replaceFile(file, pem, { mode: 0o444 });
    if (readFileSync(file, "utf8") === pem) return;
    const last = await this.seals.last();
    const signedBy = last && openSeal(last.text)?.statement.key;
    if (publicKeyIn(file) || (last && signedBy !== keyNameOf(publicKey))) {
      throw new Error(
        `the seals in ${folder} are signed with a key other than this store's; keep them, and set "seals:" in bridge.yaml to another folder`,
      );
    }
    await replaceFile(file, pem, { mode: 0o444 });
  }
}

function publicKeyIn(file: string): KeyObject | undefined {
  return parsedKey(() => createPublicKey(readFileSync(file)));
}

/** Returns `undefined` if the text is not a key. */
function parsedKey(parse: () => KeyObject): KeyObject | undefined {
  try {
    return parse();
  } catch {
    return undefined;
  }
}

/**
 * Seals stored as files `000000001.seal`, `000000002.seal`, … The store records the newest one, so that its removal is
 * detected.
 */
export class FolderSeals implements SealsPort {
  readonly #folder: string;
  readonly #store: Pick<LocalStore, "read" | "write">;

  constructor(folder: string, store: Pick<LocalStore, "read" | "write">) {
    this.#folder = folder;
    this.#store = store;
  }

  async last(): Promise<StoredSeal | undefined> {
    const number = (await this.#numbers()).at(-1);
    return number === undefined ? undefined : this.#read(number);
  }

  async *from(first: number): AsyncIterable<StoredSeal> {
    for (const number of await this.#numbers()) if (number >= first) yield this.#read(number);
  }

  /** Writes the seal as a whole, so that no partial seal exists. Not safe for parallel processes. */
  async add(number: number, text: string): Promise<"added" | "taken"> {
    const file = this.#file(number);
    if (existsSync(file)) return "taken";
    await replaceFile(file, text, { mode: 0o444 });
    await this.#remember(text);
    return "added";
  }

  async remembered(): Promise<RememberedSeal | undefined> {
    return (await this.#store.read("seal", ["newest"]))[0]?.value;
  }

  async #remember(text: string): Promise<void> {
    const seal = openSeal(text);
    if (!seal) throw new Error("the new seal cannot be parsed; this is a bug in the bridge");
    const [known] = await this.#store.read("seal", ["newest"]);
    const value = { number: seal.statement.seal, hash: seal.hash };
    await this.#store.write([{ kind: "seal", id: "newest", value, etag: known?.etag ?? 0 }]);
  }

  async #numbers(): Promise<number[]> {
    const names = await readdir(this.#folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return [];
      throw error;
    });
    return names
      .flatMap((name) => (/^\d{9}\.seal$/.test(name) ? [Number(name.slice(0, 9))] : []))
      .sort((a, b) => a - b);
  }

  async #read(number: number): Promise<StoredSeal> {
    return { number, text: await readFile(this.#file(number), "utf8") };
  }

  #file(number: number): string {
    return join(this.#folder, `${String(number).padStart(9, "0")}.seal`);
  }
}
