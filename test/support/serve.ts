import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";

const cli = join(import.meta.dirname, "..", "..", "cli", "main.js");

/** A `bridge serve` in its own process. */
export interface Served {
  readonly process: ChildProcess;
  /** Every line printed so far. */
  readonly lines: string[];
  /** Sends the signal and waits for the process to exit. */
  end(signal: "SIGTERM" | "SIGKILL"): Promise<void>;
}

/** Starts `bridge serve --json` in a folder with `mappings/` and an optional `bridge.yaml`. Resolves once it serves. */
export async function serve(cwd: string, ...args: string[]): Promise<Served> {
  const child = spawn(process.execPath, [cli, "serve", "--json", ...args], { cwd, stdio: ["ignore", "pipe", "pipe"] });
  const lines: string[] = [];
  let text = "";
  await new Promise<void>((resolve, reject) => {
    const take = (chunk: Buffer) => {
      text += chunk.toString();
      const parts = text.split("\n");
      text = parts.pop() ?? "";
      lines.push(...parts);
      if (parts.some((line) => line.includes('"step":"serving"'))) resolve();
    };
    child.stdout.on("data", take);
    child.stderr.on("data", take);
    child.once("exit", (code) => reject(new Error(`bridge serve ended with ${code}: ${lines.join("\n")}${text}`)));
  });
  return {
    process: child,
    lines,
    async end(signal) {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, "exit");
      child.kill(signal);
      await exited;
    },
  };
}

/** Starts a `bridge` command that runs until it is disposed of, and captures the first line it prints. */
export function longRunning(
  env: Readonly<Record<string, string>>,
  cwd: string,
  ...args: string[]
): AsyncDisposable & { readonly first: Promise<string> } {
  const child = spawn(process.execPath, [cli, ...args], {
    cwd,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const first = new Promise<string>((resolve, reject) => {
    createInterface(child.stdout).once("line", resolve);
    child.once("exit", (code) => reject(new Error(`bridge ${args[0]} ended with ${code}`)));
  });
  return {
    first,
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null) return;
      const exited = once(child, "exit");
      child.kill("SIGTERM");
      await exited;
    },
  };
}

/** Runs `bridge` once and returns its output and exit code. */
export function bridge(cwd: string, ...args: string[]): Promise<{ code: number; out: string; err: string }> {
  return bridgeFed(cwd, "", ...args);
}

/** Runs `bridge` once with additional environment variables. */
export function bridgeAs(
  env: Readonly<Record<string, string>>,
  cwd: string,
  ...args: string[]
): Promise<{ code: number; out: string; err: string }> {
  return bridgeRun({ cwd, env: { ...process.env, ...env } }, "", args);
}

/** Runs `bridge` once with text on its standard input. */
export function bridgeFed(
  cwd: string,
  input: string,
  ...args: string[]
): Promise<{ code: number; out: string; err: string }> {
  return bridgeRun({ cwd }, input, args);
}

async function bridgeRun(
  where: { readonly cwd: string; readonly env?: NodeJS.ProcessEnv },
  input: string,
  args: readonly string[],
): Promise<{ code: number; out: string; err: string }> {
  const child = spawn(process.execPath, [cli, ...args], { ...where, stdio: ["pipe", "pipe", "pipe"] });
  // The process may exit before it reads its input.
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  const chunks: { out: Buffer[]; err: Buffer[] } = { out: [], err: [] };
  child.stdout.on("data", (chunk: Buffer) => chunks.out.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => chunks.err.push(chunk));
  const [code] = (await once(child, "close")) as [number];
  return { code, out: Buffer.concat(chunks.out).toString(), err: Buffer.concat(chunks.err).toString() };
}
