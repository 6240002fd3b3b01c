import type { Facts } from "../model/ledger-entry.ts";
import { withoutPersonalData } from "../pii/redact.ts";
import { InvalidRequestError } from "../values/bridge-error.ts";

/** Operator who performs an action, and the reason. Both are recorded in the ledger. */
export interface Actor {
  /** IAM ARN on AWS, operating system user in the local engine. */
  readonly actor: string;
  /** Free text of at most `maxReason` characters. Personal data in it is masked. */
  readonly reason: string;
}

/** Longest reason, in UTF-16 code units. */
export const maxReason = 500;

/**
 * Returns the ledger facts of an operator's action.
 *
 * @throws {InvalidRequestError} if the reason is empty or too long
 */
export function auditFacts(act: string, { actor, reason }: Actor): Facts {
  const why = withoutPersonalData(reason.trim());
  if (why === "") throw new InvalidRequestError("the reason is empty; give one, because the ledger records it");
  if (why.length > maxReason) throw new InvalidRequestError(`the reason is longer than ${maxReason} characters`);
  return { act, actor, why };
}
