import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { emulatorPython } from "./python.ts";

/** Region of the emulated account. The emulator supports only the partition `aws` and so no GovCloud region. */
export const region = "us-east-1";
export const account = "000000000000";

/** Credentials that the emulator accepts as the account's root user. */
export const rootCredentials = { accessKeyId: "test", secretAccessKey: "test" };

const startMs = 60_000;
const starts = 3;

export interface EmulatorOptions {
  /** True if the emulator checks signatures and policies. */
  readonly auth: boolean;
  /** `AWS_ENDPOINT_URL` of the functions that the emulator runs. */
  readonly functionsEndpoint: string;
}

/** A MiniStack process on a free port and with its own folder. It ends with the process that started it. */
export interface Emulator extends AsyncDisposable {
  readonly port: number;
  /** Output of the emulator and its functions so far. */
  readonly log: readonly string[];
  /** Advances the emulator's clock. The clocks of its functions do not change. */
  advance(ms: number): Promise<void>;
}

/** @throws {PythonMissing} if Python is not usable @throws {Error} with the end of its log if it does not start */
export async function startEmulator(options: EmulatorOptions): Promise<Emulator> {
  const python = await emulatorPython();
  for (let tries = 1; ; tries++) {
    // Another process may take the port before the emulator starts.
    const emulator = launch(python, options, await freePort());
    if (await emulator.ready) return emulator;
    await emulator[Symbol.asyncDispose]();
    if (tries === starts) throw new Error(`the AWS emulator does not start:\n${emulator.log.slice(-20).join("\n")}`);
  }
}

function launch(python: string, options: EmulatorOptions, port: number): Emulator & { ready: Promise<boolean> } {
  const home = mkdtempSync(join(tmpdir(), "bridge-emulator-"));
  // The emulator's worker script is CommonJS, whatever a package.json above the temporary folder says.
  writeFileSync(join(home, "package.json"), "{}");
  const child = spawn(python, [join(import.meta.dirname, "launch.py")], {
    cwd: home,
    env: environment(options, home, port),
    stdio: ["pipe", "pipe", "pipe"],
    // A separate process group, which launch.py ends when its standard input is closed.
    detached: true,
  });
  const log: string[] = [];
  const turned: (() => void)[] = [];
  const ready = new Promise<boolean>((resolve) => {
    const read = (line: string) => {
      if (line === "clock") return turned.shift()?.();
      log.push(line);
      // Reads the log, because another emulator may answer on the same port.
      if (line.includes(`Running on http://127.0.0.1:${port}`)) resolve(true);
    };
    for (const stream of [child.stdout, child.stderr]) createInterface(stream).on("line", read);
    child.once("exit", () => resolve(false));
    setTimeout(() => resolve(false), startMs).unref();
  });
  // Ignores writes after the process has ended.
  child.stdin.on("error", () => {});
  return {
    port,
    log,
    ready,
    advance: (ms) =>
      new Promise((resolve) => {
        turned.push(resolve);
        child.stdin.write(`${ms}\n`);
      }),
    async [Symbol.asyncDispose]() {
      await end(child);
      rmSync(home, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

async function end(child: ChildProcessWithoutNullStreams): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.stdin.end();
  await gone;
}

function environment({ auth, functionsEndpoint }: EmulatorOptions, home: string, port: number): NodeJS.ProcessEnv {
  return {
    // Functions run on the same Node as the tests.
    PATH: [dirname(process.execPath), process.env.PATH].join(delimiter),
    HOME: home,
    TMPDIR: home,
    STATE_DIR: join(home, "state"),
    S3_DATA_DIR: join(home, "s3"),
    BIND_HOST: "127.0.0.1",
    GATEWAY_PORT: String(port),
    MINISTACK_REGION: region,
    MINISTACK_ACCOUNT_ID: account,
    AWS_ACCESS_KEY_ID: rootCredentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: rootCredentials.secretAccessKey,
    AWS_ENDPOINT_URL: functionsEndpoint,
    AUTH: String(auth),
    LAMBDA_EXECUTOR: "local",
    // Ports of unused services, over which concurrent runs would conflict.
    IOT_MTLS_ENABLED: "0",
    SFTP_ENABLED: "0",
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
