import { createPublicKey } from "node:crypto";
import { createWriteStream, readFileSync } from "node:fs";
import { pipeline } from "node:stream/promises";
import { Command } from "commander";
import { exportLedger } from "../bridge/ledger/export.ts";
import { openSeal } from "../bridge/ledger/seal.ts";
import type { Evidence } from "../bridge/ledger/sealed-entries.ts";
import {
  placeOf,
  type Verification,
  type VerifiedEngine,
  type VerifiedSeals,
  verifyLedger,
} from "../bridge/ledger/verify.ts";
import type { RememberedSeal } from "../bridge/ports/records.ts";
import { exitCodes, plural, printJson, progress, type SetExitCode, timeIn } from "./output.ts";
import { type StoreOptions, storeCommand, withBridge } from "./with-bridge.ts";

interface LedgerOptions extends StoreOptions {
  readonly seals?: string;
  readonly since?: string;
  readonly stack?: string;
}

/** `bridge ledger`: verifies, exports and seals the audit record. */
export function ledger(setExitCode: SetExitCode): Command {
  return new Command("ledger")
    .description("verify, export and seal the audit record")
    .addCommand(verify(setExitCode))
    .addCommand(exportCommand())
    .addCommand(seal(setExitCode));
}

function ledgerCommand(name: string, description: string): Command {
  return storeCommand(name, description).option(
    "--seals <folder>",
    'the folder of the seals (default: "seals:" in bridge.yaml, or a folder next to the store)',
  );
}

/** Opens the ledger of the local store, or of a deployment with the caller's AWS credentials, for reading. */
async function withLedger<T>(
  options: LedgerOptions,
  use: (engine: VerifiedEngine, evidence: Evidence) => Promise<T>,
): Promise<T> {
  const { stack, seals } = options;
  if (stack) {
    const { openDeployedLedger } = await import("../platform/aws/deployment.ts");
    const { evidence, ...engine } = await openDeployedLedger(stack);
    return use(engine, evidence);
  }
  return withBridge(options, { work: false, ...(seals && { seals }) }, async (bridge) => {
    const engine = await bridge.engine();
    if (!engine.sealing) throw new Error("an in-memory store has no seals");
    return use(engine, engine.sealing.evidence());
  });
}

function verify(setExitCode: SetExitCode): Command {
  return ledgerCommand("verify", "check every entry against its chain, its record and the seals")
    .option("--stack <name>", "use the ledger of a deployment, with your own AWS credentials and region")
    .option(
      "--since <time>",
      "check only entries sealed since: 2h, 30d, 2026-12-01T00:00:00Z; finds no inserted entries",
    )
    .option("--key <file>", "your own copy of the seals' public key (PEM), used instead of the stored one")
    .option("--kept <file...>", "your own copies of seals, which must match the stored seals")
    .addHelpText(
      "after",
      "\nReports the first place at which entries were changed, deleted, inserted or truncated. docs/ledger.md explains how an\n" +
        "auditor can verify the ledger without the bridge.",
    )
    .action(async (options: LedgerOptions & { key?: string; kept?: readonly string[] }) => {
      const { since, key, kept } = options;
      const trusted = {
        ...(key && { publicKey: createPublicKey(readFileSync(key, "utf8")) }),
        ...(kept && { kept: kept.map(readSeal) }),
      };
      await withLedger(options, async (engine, evidence) => {
        const result = await verifyLedger(engine, {
          evidence: { ...evidence, ...trusted },
          onProgress: progress(thousands("entries checked")),
          ...(since && { since: timeIn(since, Date.now()).getTime() }),
        });
        if (result.fault || result.seals?.late) setExitCode(exitCodes.no);
        if (options.json) return printJson(result);
        console.log(verdict(result));
      });
    });
}

function readSeal(file: string): RememberedSeal {
  const seal = openSeal(readFileSync(file, "utf8"));
  if (!seal) throw new TypeError(`${file} is not a seal file`);
  return { number: seal.statement.seal, hash: seal.hash };
}

function thousands(noun: string): (count: number) => string {
  return (count) => `${Math.floor(count / 1_000)}000 ${noun}`;
}

function verdict({ fault, entries, chains, seals }: Verification): string {
  if (fault) return `the ledger is BROKEN: ${placeOf(fault)}: ${fault.message}`;
  const intact = `all good: ${entriesIn(entries)} in ${plural(chains, "chain")}, none changed or missing`;
  return seals ? `${intact}\n${sealsLine(seals)}` : intact;
}

function entriesIn(quantity: number): string {
  return quantity === 1 ? "1 entry" : `${quantity} entries`;
}

function sealsLine({ seals, newest, unsealed, late }: VerifiedSeals): string {
  const summary =
    newest === undefined
      ? "no seals yet"
      : `${plural(seals, "seal")}, the newest from ${new Date(newest).toISOString()}`;
  if (late) {
    return `${summary}; sealing is overdue for ${entriesIn(unsealed)}: start "bridge serve", and if it is running, check whether seals were removed`;
  }
  return unsealed > 0 ? `${summary}; ${entriesIn(unsealed)} not sealed yet` : summary;
}

function exportCommand(): Command {
  return ledgerCommand("export", "write entries and seals as NDJSON, for an auditor")
    .option("--stack <name>", "use the ledger of a deployment, with your own AWS credentials and region")
    .option("--since <time>", "start with the first seal created since: 30d, 2026-12-01T00:00:00Z")
    .option("--out <file>", "a new file to write to (default: standard output)")
    .action(async (options: LedgerOptions & { out?: string }) => {
      const { since, out } = options;
      await withLedger(options, async (_, evidence) => {
        const showProgress = progress(thousands("lines written"));
        const from = since === undefined ? undefined : timeIn(since, Date.now()).getTime();
        let lines = 0;
        const text = async function* () {
          for await (const line of exportLedger(evidence, from)) {
            showProgress(++lines);
            yield `${line}\n`;
          }
        };
        await pipeline(text, out ? createWriteStream(out, { flags: "wx" }) : process.stdout, {
          end: out !== undefined,
        });
        if (!out) return;
        if (options.json) printJson({ file: out, lines });
        else console.log(`wrote ${plural(lines, "line")} to ${out}`);
      });
    });
}

function seal(setExitCode: SetExitCode): Command {
  return ledgerCommand("seal", "seal the entries written since the previous seal")
    .addHelpText("after", '\n"bridge serve" does this every 5 minutes and when it stops.')
    .action(async (options: LedgerOptions) => {
      const { seals } = options;
      await withBridge(options, { work: false, ...(seals && { seals }) }, async (bridge) => {
        const result = await (await bridge.engine()).sealing?.seal();
        if (!result) {
          console.error("bridge: another process is sealing now; try again");
          setExitCode(exitCodes.couldNot);
        } else if (options.json) printJson(result);
        else
          console.log(
            result.entries > 0 ? `${entriesIn(result.entries)} sealed` : "no entries since the previous seal",
          );
      });
    });
}
