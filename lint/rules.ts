import type { Rule } from "./rule.ts";
import { bannedPhrasesRule } from "./rules/banned-phrases.ts";
import { commentOpenings } from "./rules/comment-openings.ts";
import { corePurity } from "./rules/core-purity.ts";
import { fileRows } from "./rules/file-rows.ts";
import { forwardingFiles } from "./rules/forwarding-files.ts";
import { functionLength } from "./rules/function-length.ts";
import { importCircles } from "./rules/import-circles.ts";
import { importOrder } from "./rules/import-order.ts";
import { parameterCount } from "./rules/parameter-count.ts";
import { testTitles } from "./rules/test-titles.ts";
import { typeNames } from "./rules/type-names.ts";

/** Every rule, in the order of the report. */
export const rules: readonly Rule[] = [
  importCircles,
  fileRows,
  importOrder,
  corePurity,
  functionLength,
  parameterCount,
  typeNames,
  commentOpenings,
  bannedPhrasesRule,
  testTitles,
  forwardingFiles,
];
