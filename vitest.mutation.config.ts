import { defineConfig } from "vitest/config";
import { rowTags } from "./test/reliability/rows.ts";

/** The tests that `npm run test:mutation` holds against a core changed in one place after another. */
export default defineConfig({
  test: {
    tags: rowTags,
    include: ["test/bridge/{values/field-path,delivery/shadow,ledger/chain,model/outcome}.test.ts"],
    testTimeout: 20_000,
  },
});
