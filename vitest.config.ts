import { defineConfig } from "vitest/config";
import { isReliabilityRun } from "./test/reliability/figure.ts";
import { skippedTests } from "./test/support/skipped-tests.ts";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: [
      // Run with `npm run test:aws`, which needs the AWS emulator, and `npm run test:browser`, which needs a browser.
      "test/aws/**",
      "test/browser/**",
      // Tests that take minutes or measure run only with `npm run test:reliability`.
      ...(isReliabilityRun ? [] : ["test/reliability/load.test.ts", "test/sim/crash-points.test.ts"]),
    ],
    // Only a hung test should reach these limits, not a test on a busy machine.
    testTimeout: 120_000,
    hookTimeout: 180_000,
    // CI has two cores, so more workers would only wait for each other.
    maxWorkers: 2,
    // Lets Node run TypeScript itself, as it does in production.
    experimental: { viteModuleRunner: false },
    reporters: ["default", skippedTests],
  },
});
