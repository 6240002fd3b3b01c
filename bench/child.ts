import { spawn } from "node:child_process";

export interface ChildOptions {
  /** Verb phrase that follows "Could not" in a message: `install the packages`. */
  readonly purpose: string;
  readonly cwd: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Kills the child when it aborts. */
  readonly signal: AbortSignal;
  readonly timeoutSeconds: number;
}

/** Thrown if a child process fails. The message is for the user. */
export class ChildError extends Error {
  override readonly name = "ChildError";
}

/**
 * Runs a program to its end and returns its standard output. Its standard error is passed through.
 *
 * @throws {ChildError} if the program fails, or does not end within the time limit
 */
export async function runChild(command: string, args: readonly string[], options: ChildOptions): Promise<string> {
  const { purpose, cwd, env = process.env, signal, timeoutSeconds } = options;
  const child = spawn(command, args, {
    cwd,
    env,
    signal,
    timeout: timeoutSeconds * 1_000,
    killSignal: "SIGKILL",
    stdio: ["ignore", "pipe", "inherit"],
  });
  const chunks: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
  const end = await new Promise<string>((resolve, reject) => {
    child.once("error", (error) => reject(new ChildError(`Could not ${purpose}: ${error.message}`)));
    child.once("close", (code, killedBy) => resolve(killedBy ?? String(code)));
  });
  if (end === "SIGKILL")
    throw new ChildError(`Could not ${purpose}: killed, probably by the limit of ${timeoutSeconds} s`);
  if (end !== "0") throw new ChildError(`Could not ${purpose}: it ended with ${end}; see its errors above`);
  return Buffer.concat(chunks).toString();
}
