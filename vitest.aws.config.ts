import { defineConfig } from "vitest/config";
import { rowTags } from "./test/reliability/rows.ts";

/** Tests that need the AWS emulator: `npm run test:aws`. */
export default defineConfig({
  test: {
    tags: rowTags,
    include: ["test/aws/**/*.test.ts"],
    testTimeout: 60_000,
    hookTimeout: 600_000,
    maxWorkers: 2,
  },
});
