import type { Reporter, TestModule, Vitest } from "vitest/node";
import { resultsOf } from "./results.ts";
import { rows } from "./rows.ts";
import { hasFailed, listOf } from "./table.ts";
import { taggedFiles } from "./tagged-files.ts";

/** Prints the reliability table after a complete `npm test`, which fails if a row has fewer tests than it needs. */
export class ReliabilityReporter implements Reporter {
  #vitest: Vitest | undefined;

  onInit(vitest: Vitest): void {
    this.#vitest = vitest;
  }

  onTestRunEnd(modules: readonly TestModule[], _errors: unknown, reason: string): void {
    if (!this.#vitest || reason === "interrupted" || !isComplete(this.#vitest, modules)) return;
    const results = resultsOf(rows, modules);
    console.log(`\nReliability, by row of docs/reliability.md:\n${listOf(rows, results)}`);
    const failed = rows.filter((row, i) => hasFailed(row, results[i]));
    if (failed.length === 0) return;
    console.log(`\nFailed reliability rows: ${failed.map(({ number }) => number).join(", ")}`);
    process.exitCode = 1;
  }
}

/** True if the run included all files that prove a row, and was not restricted to some of their tests. */
function isComplete(vitest: Vitest, modules: readonly TestModule[]): boolean {
  if (vitest.getGlobalTestNamePattern() || vitest.config.tagsFilter?.length) return false;
  const ran = new Set(modules.map(({ relativeModuleId }) => relativeModuleId));
  return taggedFiles(rows).every((file) => ran.has(file));
}
