import type { Facts } from "../model/ledger-entry.ts";
import { withoutPersonalData } from "../pii/redact.ts";

/** Who does something to the bridge, and why: both go into the ledger. */
export interface Actor {
  /** An IAM ARN on AWS, the user of the operating system here. */
  readonly actor: string;
  /** In the person's own words, of at most `maxReason` characters. Personal data in it is masked. */
  readonly reason: string;
}

/** Characters of a person's reason. */
export const maxReason = 500;

/** @throws {RangeError} where no reason is given: the ledger would not say why */
export function auditFacts(act: string, { actor, reason }: Actor): Facts {
  const why = withoutPersonalData(reason.trim());
  if (why === "") throw new RangeError("the reason is empty; say why, it goes into the ledger");
  if (why.length > maxReason) throw new RangeError(`the reason is longer than ${maxReason} characters`);
  return { act, actor, why };
}
