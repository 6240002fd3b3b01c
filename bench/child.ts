import { spawn } from "node:child_process";

export interface ChildOptions {
  /** The child's work, in words that follow "Could not" in a message. */
  readonly purpose: string;
  readonly cwd: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Kills the child when it aborts. */
  readonly signal: AbortSignal;
  readonly timeoutSeconds: number;
}

/** A child process did not do its work. The message is for the user. */
export class ChildError extends Error {
  override readonly name = "ChildError";
}

/**
 * Runs a program to its end and returns its standard output. Its standard error goes to ours.
 *
 * @throws {ChildError} if it fails
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
  if (end === "SIGKILL") throw new ChildError(`Could not ${purpose}: killed, probably after its ${timeoutSeconds} s`);
  if (end !== "0") throw new ChildError(`Could not ${purpose}: ended with ${end}; its errors are above`);
  return Buffer.concat(chunks).toString();
}
