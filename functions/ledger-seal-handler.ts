import type { KeyObject } from "node:crypto";
import type { Engine } from "../bridge/engine.ts";
import { type Sealer, sealLedger } from "../bridge/ledger/seal.ts";
import type { WriteOnce } from "../platform/aws/ledger-bucket.ts";
import { ledgerObjects } from "../platform/aws/names.ts";

export interface LedgerSealOptions extends Sealer {
  readonly bucket: Pick<WriteOnce, "put">;
  readonly publicKey: KeyObject;
  readonly log: Engine["log"];
}

/** Creates the handler that seals newly copied entries and stores the public key with the seals. */
export function ledgerSealHandler({ bucket, publicKey, log, ...sealer }: LedgerSealOptions) {
  return async (): Promise<void> => {
    await bucket.put(ledgerObjects.publicKey, publicKey.export({ type: "spki", format: "pem" }) as string);
    log({ step: "sealed", ...(await sealLedger(sealer)) });
  };
}
