import { defineConfig } from "vitest/config";
import { ReliabilityReporter } from "./test/reliability/reporter.ts";
import { rowTags } from "./test/reliability/rows.ts";
import { skippedTests } from "./test/support/skipped-tests.ts";

/** Tests that measure the bridge under load, which other tests on the same machine would distort. */
const measurements = ["test/reliability/load.test.ts"];

export default defineConfig({
  test: {
    // Only a hung test should reach these limits, not a test on a busy machine.
    testTimeout: 120_000,
    hookTimeout: 180_000,
    tags: rowTags,
    // Lets Node run TypeScript itself, as it does in production.
    experimental: { viteModuleRunner: false },
    reporters: ["default", skippedTests, new ReliabilityReporter()],
    projects: [
      {
        extends: true,
        test: {
          name: "tests",
          include: ["test/**/*.test.ts"],
          exclude: [
            // Run with `npm run test:aws`, which needs the AWS emulator, and `npm run test:browser`, which needs a browser.
            "test/aws/**",
            "test/browser/**",
            ...measurements,
          ],
          // CI has two cores, so more workers would only wait for each other.
          maxWorkers: 2,
        },
      },
      {
        extends: true,
        // Runs after all other tests.
        test: { name: "measurements", include: measurements, maxWorkers: 1, sequence: { groupOrder: 1 } },
      },
    ],
  },
});
