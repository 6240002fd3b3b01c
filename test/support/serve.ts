import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";

const cli = join(import.meta.dirname, "..", "..", "cli", "main.js");

/** A `bridge serve` in a process of its own. */
export interface Served {
  readonly process: ChildProcess;
  /** Every line it printed so far. */
  readonly lines: string[];
  /** Ends it, by whatever signal, and waits until it is gone. */
  end(signal: "SIGTERM" | "SIGKILL"): Promise<void>;
}

/** Starts `bridge serve --json` in a folder that holds `mappings/` and perhaps `bridge.yaml`; resolves when it serves. */
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
      const gone = once(child, "exit");
      child.kill(signal);
      await gone;
    },
  };
}

/** A `bridge` that goes on until it is ended, with what it printed first. */
export function printing(
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
      const gone = once(child, "exit");
      child.kill("SIGTERM");
      await gone;
    },
  };
}

/** Runs `bridge` once, and gives back what it printed and its exit code. */
export function bridge(cwd: string, ...args: string[]): Promise<{ code: number; out: string; err: string }> {
  return bridgeFed(cwd, "", ...args);
}

/** The same, by somebody else's environment. */
export function bridgeAs(
  env: Readonly<Record<string, string>>,
  cwd: string,
  ...args: string[]
): Promise<{ code: number; out: string; err: string }> {
  return bridgeRun({ cwd, env: { ...process.env, ...env } }, "", args);
}

/** The same, with something on its standard input. */
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
  // It may end without having read.
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  const chunks: { out: Buffer[]; err: Buffer[] } = { out: [], err: [] };
  child.stdout.on("data", (chunk: Buffer) => chunks.out.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => chunks.err.push(chunk));
  const [code] = (await once(child, "close")) as [number];
  return { code, out: Buffer.concat(chunks.out).toString(), err: Buffer.concat(chunks.err).toString() };
}
