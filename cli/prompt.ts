import { createInterface } from "node:readline/promises";

/** What a person types after a question; nothing where nobody is there to type. */
async function typed(question: string): Promise<string | undefined> {
  if (!process.stdin.isTTY) return undefined;
  const line = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return (await line.question(question)).trim();
  } finally {
    line.close();
  }
}

/** @throws {TypeError} where nobody is there to ask, and `--yes` was not given */
export async function confirmed(question: string, yes: boolean): Promise<boolean> {
  if (yes) return true;
  const answer = await typed(`${question} [y/N] `);
  if (answer === undefined) throw new TypeError("nobody is there to ask; give --yes");
  return /^y(es)?$/i.test(answer);
}

/** Why it is done, for the ledger. @throws {TypeError} where it is not given, and nobody is there to ask */
export async function reasonOf(given: string | undefined): Promise<string> {
  const reason = given ?? (await typed("Why? It goes into the ledger: "));
  if (!reason) throw new TypeError("give --reason; it goes into the ledger");
  return reason;
}
