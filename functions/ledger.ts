import { openCopying, openSealing } from "../platform/aws/ledger-seals.ts";
import { createHandler } from "./create-handler.ts";
import { readLedgerCopyEnv, readLedgerSealEnv } from "./env.ts";
import { ledgerCopyHandler } from "./ledger-copy-handler.ts";
import { ledgerSealHandler } from "./ledger-seal-handler.ts";

/** Called by the ledger table's stream. */
export const copy = createHandler(readLedgerCopyEnv, async (env, log) =>
  ledgerCopyHandler({ ...openCopying(env.LEDGER_BUCKET), log }),
);

/** Called every five minutes. */
export const seal = createHandler(readLedgerSealEnv, async (env, log) =>
  ledgerSealHandler({ ...(await openSealing(env.LEDGER_BUCKET, env.SEAL_KEY)), log }),
);
