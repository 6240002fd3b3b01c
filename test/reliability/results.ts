import { execFileSync } from "node:child_process";
import { cpus } from "node:os";
import type { TestCase, TestModule } from "vitest/node";
import { full } from "./figure.ts";
import type { Row } from "./rows.ts";
import type { ProofResult, Result } from "./table.ts";

/** Collects the results of the tests with the tag of each row. */
export function resultsOf(rows: readonly Row[], modules: readonly TestModule[]): readonly Result[] {
  const tests = modules.flatMap((module) => [...module.children.allTests()]);
  const run = { full, at: new Date().toISOString(), commit: commit(), machine: machine() };
  return rows.map((row): Result => {
    const proofs = tests.filter(({ tags }) => tags.includes(`row-${row.number}`));
    const missing = Math.max(0, row.tests - proofs.length) || undefined;
    return { row: row.number, ...run, missing, tests: proofs.map(proofOf) };
  });
}

function proofOf(test: TestCase): ProofResult {
  const { figure, met, seed } = test.meta();
  return {
    file: test.module.relativeModuleId,
    test: test.fullName,
    status: test.result().state,
    seconds: Math.round(test.diagnostic()?.duration ?? 0) / 1_000,
    reached: figure,
    met,
    seed,
  };
}

function commit(): string {
  const git = (...args: string[]) => execFileSync("git", args, { cwd: import.meta.dirname, encoding: "utf8" }).trim();
  return `${git("rev-parse", "--short", "HEAD")}${git("status", "--porcelain") === "" ? "" : "+"}`;
}

function machine(): string {
  const [cpu] = cpus();
  return `${cpus().length} × ${cpu?.model.trim()}, ${process.platform}, Node ${process.versions.node}`;
}
