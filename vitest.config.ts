import { defineConfig } from "vitest/config";
import { passedOver } from "./test/support/passed-over.ts";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // What needs the AWS emulator is `npm run test:aws`, what needs a browser `npm run test:browser`.
    exclude: ["test/aws/**", "test/browser/**"],
    testTimeout: 20_000,
    // A synthesis bundles every function.
    hookTimeout: 60_000,
    // Two cores: more workers only wait for each other.
    maxWorkers: 2,
    reporters: ["default", passedOver],
  },
});
