import { createInterface } from "node:readline/promises";

/** Asks a question on the terminal, and returns undefined if standard input is not a terminal. */
async function prompt(question: string): Promise<string | undefined> {
  if (!process.stdin.isTTY) return undefined;
  const line = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return (await line.question(question)).trim();
  } finally {
    line.close();
  }
}

/**
 * Asks for confirmation unless `--yes` was given.
 *
 * @throws {TypeError} if standard input is not a terminal and `--yes` was not given
 */
export async function confirm(question: string, yes: boolean): Promise<boolean> {
  if (yes) return true;
  const answer = await prompt(`${question} [y/N] `);
  if (answer === undefined) throw new TypeError("standard input is not a terminal; give --yes to confirm");
  return /^y(es)?$/i.test(answer);
}

/**
 * Returns the reason for the ledger: the given one, or the answer to a question.
 *
 * @throws {TypeError} if the reason is empty, or standard input is not a terminal
 */
export async function askReason(option: string | undefined): Promise<string> {
  const reason = option ?? (await prompt("Reason (for the ledger): "));
  if (!reason) throw new TypeError("the ledger requires a reason; give --reason");
  return reason;
}
