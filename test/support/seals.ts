import { createPublicKey, generateKeyPairSync, sign } from "node:crypto";
import {
  type CreatedSeals,
  keyNameOf,
  openSeal,
  type Sealer,
  type Signer,
  sealLedger,
} from "../../bridge/ledger/seal.ts";
import type { Evidence } from "../../bridge/ledger/sealed-entries.ts";
import type { Clock } from "../../bridge/ports/clock.ts";
import type { RememberedSeal } from "../../bridge/ports/records.ts";
import type { AppendedPort, SealsPort } from "../../bridge/ports/seals.ts";

/** Seals in memory, which a test can tamper with. */
export interface MemorySeals extends SealsPort {
  /** Seals by number. */
  readonly texts: Map<number, string>;
  newest: RememberedSeal | undefined;
}

export function memorySeals(): MemorySeals {
  const texts = new Map<number, string>();
  const numbers = () => [...texts.keys()].sort((a, b) => a - b);
  const stored = (number: number) => ({ number, text: texts.get(number) as string });
  return {
    texts,
    newest: undefined,
    async last() {
      const number = numbers().at(-1);
      return number === undefined ? undefined : stored(number);
    },
    async *from(first) {
      for (const number of numbers()) if (number >= first) yield stored(number);
    },
    async add(number, text) {
      if (texts.has(number)) return "taken";
      texts.set(number, text);
      const seal = openSeal(text);
      if (seal) this.newest = { number, hash: seal.hash };
      return "added";
    },
    async remembered() {
      return this.newest;
    },
  };
}

export function aKeyPair() {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const publicKey = createPublicKey(privateKey);
  const signer: Signer = {
    key: keyNameOf(publicKey),
    sign: async (text) => sign("sha256", Buffer.from(text), privateKey).toString("base64"),
  };
  return { publicKey, signer };
}

/** Everything needed to seal a ledger and to verify it against its seals. */
export interface Sealing extends Sealer {
  readonly seals: MemorySeals;
  readonly evidence: Evidence;
  seal(): Promise<CreatedSeals>;
}

export function aSealing(appended: AppendedPort, clock: Pick<Clock, "now">): Sealing {
  const { publicKey, signer } = aKeyPair();
  const sealer = { appended, seals: memorySeals(), signer, clock };
  return {
    ...sealer,
    evidence: { seals: sealer.seals, appended, publicKey, clock },
    seal: () => sealLedger(sealer),
  };
}
