import { createPublicKey } from "node:crypto";
import { createWriteStream, readFileSync } from "node:fs";
import { pipeline } from "node:stream/promises";
import { Command } from "commander";
import { exportLedger } from "../bridge/ledger/export.ts";
import { openSeal } from "../bridge/ledger/seal.ts";
import type { Evidence } from "../bridge/ledger/sealed-entries.ts";
import {
  placeOf,
  type SealsSeen,
  type Verification,
  type VerifiedEngine,
  verifyLedger,
} from "../bridge/ledger/verify.ts";
import type { RememberedSeal } from "../bridge/ports/records.ts";
import { type End, exitCodes, printJson, progress, timeIn } from "./output.ts";
import { type StoreOptions, storeCommand, withBridge } from "./with-bridge.ts";

interface LedgerOptions extends StoreOptions {
  readonly seals?: string;
  readonly since?: string;
  readonly stack?: string;
}

/** `bridge ledger`: the audit record. */
export function ledger(end: End): Command {
  return new Command("ledger")
    .description("the audit record")
    .addCommand(verify(end))
    .addCommand(exportCommand())
    .addCommand(seal(end));
}

function ledgerCommand(name: string, description: string): Command {
  return storeCommand(name, description).option(
    "--seals <folder>",
    'where the seals are; else by "seals:" in bridge.yaml, else beside the store',
  );
}

/** Opens a ledger to be read: of the store here, or of a deployment by the caller's own AWS credentials. */
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
    if (!engine.sealing) throw new Error("a store in memory has no seals");
    return use(engine, engine.sealing.evidence());
  });
}

function verify(end: End): Command {
  return ledgerCommand("verify", "hold every entry against its chain, its record and the seals")
    .option("--stack <name>", "the ledger of a deployment, by your own AWS credentials and region")
    .option(
      "--since <time>",
      "only what was sealed since: 2h, 30d, 2026-12-01T00:00:00Z; finds nothing that was put in",
    )
    .option("--key <file>", "the seals' public key (PEM) as you have kept it, and not as it lies here")
    .option("--kept <file...>", "seals you have kept: they must be among those that are here")
    .addHelpText(
      "after",
      "\nNames the first place where something was changed, deleted, put in or cut off. How an auditor checks without\nus: docs/ledger.md.",
    )
    .action(async (options: LedgerOptions & { key?: string; kept?: readonly string[] }) => {
      const { since, key, kept } = options;
      const trusted = {
        ...(key && { publicKey: createPublicKey(readFileSync(key, "utf8")) }),
        ...(kept && { kept: kept.map(keptSeal) }),
      };
      await withLedger(options, async (engine, evidence) => {
        const found = await verifyLedger(engine, {
          evidence: { ...evidence, ...trusted },
          onProgress: progress(thousands("entries checked")),
          ...(since && { since: timeIn(since, Date.now()).getTime() }),
        });
        if (found.fault || found.seals?.late) end(exitCodes.no);
        if (options.json) return printJson(found);
        console.log(verdict(found));
      });
    });
}

function keptSeal(file: string): RememberedSeal {
  const seal = openSeal(readFileSync(file, "utf8"));
  if (!seal) throw new TypeError(`${file} is no seal`);
  return { number: seal.statement.seal, hash: seal.hash };
}

function thousands(what: string): (count: number) => string {
  return (count) => `${Math.floor(count / 1_000)}000 ${what}`;
}

function verdict({ fault, entries, chains, seals }: Verification): string {
  if (fault) return `the ledger is BROKEN: ${placeOf(fault)}: ${fault.message}`;
  const good = `all good: ${entries} entries in ${chains} chains, none changed, none missing`;
  return seals ? `${good}\n${sealsLine(seals)}` : good;
}

function sealsLine({ seals, newest, unsealed, late }: SealsSeen): string {
  const made =
    newest === undefined
      ? "no seal yet"
      : `${seals} seal${seals === 1 ? "" : "s"}, the newest of ${new Date(newest).toISOString()}`;
  if (late) {
    return `${made}; ${unsealed} entries have waited too long for one: "bridge serve" is not running, or seals were taken away`;
  }
  return unsealed > 0 ? `${made}; ${unsealed} entries wait for the next` : made;
}

function exportCommand(): Command {
  return ledgerCommand("export", "write entries and seals as lines of JSON, for an auditor")
    .option("--stack <name>", "the ledger of a deployment, by your own AWS credentials and region")
    .option("--since <time>", "from the first seal made since: 30d, 2026-12-01T00:00:00Z")
    .option("--out <file>", "where to; it must not be there yet. Else standard output")
    .action(async (options: LedgerOptions & { out?: string }) => {
      const { since, out } = options;
      await withLedger(options, async (_, evidence) => {
        const tell = progress(thousands("lines written"));
        const from = since === undefined ? undefined : timeIn(since, Date.now()).getTime();
        let lines = 0;
        const text = async function* () {
          for await (const line of exportLedger(evidence, from)) {
            tell(++lines);
            yield `${line}\n`;
          }
        };
        await pipeline(text, out ? createWriteStream(out, { flags: "wx" }) : process.stdout, {
          end: out !== undefined,
        });
        if (!out) return;
        if (options.json) printJson({ file: out, lines });
        else console.log(`${lines} lines in ${out}`);
      });
    });
}

function seal(end: End): Command {
  return ledgerCommand("seal", "seal now what was written since the last seal")
    .addHelpText("after", '\n"bridge serve" does so every 5 minutes and when it ends.')
    .action(async (options: LedgerOptions) => {
      const { seals } = options;
      await withBridge(options, { work: false, ...(seals && { seals }) }, async (bridge) => {
        const made = await (await bridge.engine()).sealing?.seal();
        if (!made) {
          console.error("bridge: another process is sealing just now; try again");
          end(exitCodes.couldNot);
        } else if (options.json) printJson(made);
        else
          console.log(made.entries > 0 ? `${made.entries} entries sealed` : "nothing was written since the last seal");
      });
    });
}
