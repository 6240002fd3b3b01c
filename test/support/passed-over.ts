import { test } from "vitest";
import type { Reporter, TestModule } from "vitest/node";

/** A test that cannot be run here, and why: at the end of the run it is told. */
export function passOver(name: string, why: string): void {
  test(name, (context) => context.skip(why));
}

/** Tells at the end of a run which tests were passed over, and what to install for them. */
export const passedOver: Reporter = {
  onTestRunEnd(modules: readonly TestModule[]) {
    const counts = new Map<string, number>();
    for (const module of modules) {
      for (const skipped of module.children.allTests("skipped")) {
        const result = skipped.result();
        if (result.state !== "skipped" || !result.note) continue;
        counts.set(result.note, (counts.get(result.note) ?? 0) + 1);
      }
    }
    if (counts.size > 0) console.log("\nPassed over, because this machine lacks something:");
    for (const [why, count] of counts) console.log(`  ${count} ${count === 1 ? "test" : "tests"}: ${why}`);
  },
};
