import { execFile } from "node:child_process";
import { join } from "node:path";

/** Result of a process that was to be killed at a call. */
export interface Killed {
  /** False if the process ended before it made so many calls. */
  readonly killed: boolean;
  /** Names of the calls that it completed. */
  readonly calls: readonly string[];
  readonly output: string;
}

export interface KillOptions {
  /** Counts only the calls that change files. */
  readonly only?: "files";
  /** Ids of the user that runs the process. */
  readonly user?: { readonly uid?: number; readonly gid?: number };
}

/**
 * Runs a module's text in a process of its own, and kills it immediately before a call that changes a file or a database.
 *
 * @param killAt number of the call, from 1; 0 to let the process end
 */
export function runKilled(script: string, killAt: number, { only, user }: KillOptions = {}): Promise<Killed> {
  const preload = join(import.meta.dirname, "kill-at-call.ts");
  const args = ["--no-warnings", "--import", preload, "--eval", script];
  const env = {
    ...process.env,
    KILL_AT: `${killAt === 0 ? Number.POSITIVE_INFINITY : killAt}`,
    ...(only && { KILL_ONLY: only }),
  };
  return new Promise((resolve, reject) => {
    execFile(process.execPath, args, { env, ...user }, (error, stdout, stderr) => {
      const killed = error?.signal === "SIGKILL";
      if (error && !killed) reject(error);
      else resolve({ killed, calls: stderr.split("\n").filter((line) => line !== ""), output: stdout });
    });
  });
}

/** Runs a module's text again and again, and kills it at its first call, then at its second, until it ends by itself. */
export async function* killedAtEachCall(script: string, options: KillOptions = {}): AsyncGenerator<Killed> {
  for (let killAt = 1; ; killAt++) {
    const result = await runKilled(script, killAt, options);
    if (!result.killed) return;
    yield result;
  }
}
