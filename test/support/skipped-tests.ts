import { test } from "vitest";
import type { Reporter, TestModule } from "vitest/node";

/** Declares a test that cannot run on this machine. `skippedTests` reports the reason at the end of the run. */
export function skipTest(name: string, reason: string): void {
  test(name, (context) => context.skip(reason));
}

/** Reports at the end of a run how many tests were skipped and what to install for them. */
export const skippedTests: Reporter = {
  onTestRunEnd(modules: readonly TestModule[]) {
    const counts = new Map<string, number>();
    for (const module of modules) {
      for (const skipped of module.children.allTests("skipped")) {
        const result = skipped.result();
        if (result.state !== "skipped" || !result.note) continue;
        counts.set(result.note, (counts.get(result.note) ?? 0) + 1);
      }
    }
    if (counts.size > 0) console.log("\nSkipped, because this machine lacks something:");
    for (const [reason, count] of counts) console.log(`  ${count} ${count === 1 ? "test" : "tests"}: ${reason}`);
  },
};
