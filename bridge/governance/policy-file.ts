import { LineCounter, parseDocument } from "yaml";
import type * as z from "zod";
import { isJsonObject } from "../values/json.ts";
import { lineOfPath } from "../values/yaml-file.ts";
import { type Policy, policySchema } from "./policy.ts";

export type PolicyReading =
  | { readonly ok: true; readonly policy: Policy }
  | { readonly ok: false; readonly message: string };

/** Parses the text of `governance.yaml`. Returns the policy, or a message such as `governance.yaml:4: …`. */
export function readPolicy(file: string, text: string): PolicyReading {
  const lines = new LineCounter();
  const yaml = parseDocument(text, { lineCounter: lines, uniqueKeys: true, prettyErrors: false });
  const refuse = (line: number, message: string): PolicyReading => ({
    ok: false,
    message: `${file}:${line}: ${message}`,
  });
  const [error] = yaml.errors;
  if (error) return refuse(lines.linePos(error.pos[0]).line, `invalid YAML: ${error.message}`);
  let raw: unknown;
  try {
    raw = yaml.toJS({ maxAliasCount: 20 });
  } catch {
    return refuse(1, "its aliases expand too far; write out the rules");
  }
  if (raw !== null && !isJsonObject(raw)) return refuse(1, 'not a policy; begin with "otherwise:" and "rules:"');
  const parsed = policySchema.safeParse(raw ?? {});
  if (parsed.success) return { ok: true, policy: parsed.data };
  const { path, message } = firstIssueOf(parsed.error.issues[0] as z.core.$ZodIssue);
  return refuse(lineOfPath(yaml, lines, path), `${path.join(".")}: ${message}`);
}

/** Returns the path and message of a schema issue, in the terms of a policy's author. */
function firstIssueOf(issue: z.core.$ZodIssue): { path: readonly PropertyKey[]; message: string } {
  const { path } = issue;
  if (issue.code === "unrecognized_keys") {
    return { path: [...path, issue.keys[0] as string], message: "is not a key of a policy; see docs/governance.md" };
  }
  if (issue.code === "invalid_union") {
    const inner = issue.errors.flat().find(({ path, code }) => path.length > 0 || code === "unrecognized_keys");
    if (inner) return firstIssueOf({ ...inner, path: [...path, ...inner.path] } as z.core.$ZodIssue);
    return { path, message: 'is not a class; give a list of kinds, or "kinds:" and "fields:"' };
  }
  if (issue.code === "invalid_value") return { path, message: `must be one of ${issue.values.join(", ")}` };
  return { path, message: issue.message };
}
