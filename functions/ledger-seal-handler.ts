import type { KeyObject } from "node:crypto";
import type { Engine } from "../bridge/engine.ts";
import { type Sealer, sealLedger } from "../bridge/ledger/seal.ts";
import type { WriteOnce } from "../platform/aws/ledger-bucket.ts";
import { ledgerPlaces } from "../platform/aws/names.ts";

export interface Sealing extends Sealer {
  readonly bucket: Pick<WriteOnce, "put">;
  readonly publicKey: KeyObject;
  readonly log: Engine["log"];
}

/** Seals what was copied since the last seal. The public key lies beside the seals from the first on. */
export function ledgerSealHandler({ bucket, publicKey, log, ...sealer }: Sealing) {
  return async (): Promise<void> => {
    await bucket.put(ledgerPlaces.publicKey, publicKey.export({ type: "spki", format: "pem" }) as string);
    log({ step: "sealed", ...(await sealLedger(sealer)) });
  };
}
