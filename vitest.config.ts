import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // What needs the AWS emulator is `npm run test:aws`.
    exclude: ["test/aws/**"],
    testTimeout: 20_000,
    // A synthesis bundles every function.
    hookTimeout: 60_000,
    // Two cores: more workers only wait for each other.
    maxWorkers: 2,
  },
});
