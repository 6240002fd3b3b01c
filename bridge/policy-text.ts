import { LineCounter, parseDocument } from "yaml";
import { type Policy, policySchema } from "./vet.ts";

export type PolicyReading =
  | { readonly ok: true; readonly policy: Policy }
  | { readonly ok: false; readonly message: string };

/** Reads `governance.yaml`: text in, the policy or a fault such as `governance.yaml:4: …` out. */
export function readPolicy(file: string, text: string): PolicyReading {
  const lines = new LineCounter();
  const yaml = parseDocument(text, { lineCounter: lines, uniqueKeys: true, prettyErrors: false });
  const refuse = (line: number, message: string): PolicyReading => ({
    ok: false,
    message: `${file}:${line}: ${message}`,
  });
  const [error] = yaml.errors;
  if (error) return refuse(lines.linePos(error.pos[0]).line, `not YAML: ${error.message}`);
  let raw: unknown;
  try {
    raw = yaml.toJS({ maxAliasCount: 20 });
  } catch {
    return refuse(1, "its aliases expand too far; write the rules out");
  }
  const parsed = policySchema.safeParse(raw ?? {});
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const node = issue && yaml.getIn(issue.path, true);
    const offset = typeof node === "object" && node && "range" in node ? (node.range as number[])[0] : undefined;
    return refuse(offset === undefined ? 1 : lines.linePos(offset).line, `${issue?.path.join(".")}: ${issue?.message}`);
  }
  return { ok: true, policy: parsed.data };
}
