import { openLedgerCopy, openLedgerSeals } from "../platform/aws/ledger-seals.ts";
import { createHandler } from "./create-handler.ts";
import { readLedgerCopyEnv, readLedgerSealEnv } from "./env.ts";
import { ledgerCopyHandler } from "./ledger-copy-handler.ts";
import { ledgerSealHandler } from "./ledger-seal-handler.ts";

/** Copies new ledger entries to the bucket. Invoked by the ledger table's stream. */
export const copy = createHandler(readLedgerCopyEnv, async (env, log) =>
  ledgerCopyHandler({ ...openLedgerCopy(env.LEDGER_BUCKET), log }),
);

/** Seals the copied entries. Invoked by the schedule every five minutes. */
export const seal = createHandler(readLedgerSealEnv, async (env, log) =>
  ledgerSealHandler({ ...(await openLedgerSeals(env.LEDGER_BUCKET, env.SEAL_KEY)), log }),
);
