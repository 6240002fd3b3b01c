import { defineConfig } from "vitest/config";
import { isReliabilityRun } from "./test/reliability/figure.ts";
import { skippedTests } from "./test/support/skipped-tests.ts";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: [
      // What needs the AWS emulator is `npm run test:aws`, what needs a browser `npm run test:browser`.
      "test/aws/**",
      "test/browser/**",
      // What takes minutes, or measures: `npm run test:reliability`.
      ...(isReliabilityRun ? [] : ["test/reliability/load.test.ts", "test/sim/crash-points.test.ts"]),
    ],
    testTimeout: 20_000,
    // A synthesis bundles every function.
    hookTimeout: 60_000,
    // Two cores: more workers only wait for each other.
    maxWorkers: 2,
    // Node runs TypeScript itself, as it does where the bridge works.
    experimental: { viteModuleRunner: false },
    reporters: ["default", skippedTests],
  },
});
