import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { emulatorPython } from "./python.ts";

/** Region of the emulated account. The emulator knows one partition, `aws`, so no region of GovCloud. */
export const region = "us-east-1";
export const account = "000000000000";

/** The account's root, to the emulator. */
export const rootCredentials = { accessKeyId: "test", secretAccessKey: "test" };

const startMs = 60_000;
const starts = 3;

export interface EmulatorOptions {
  /** True if it checks signatures and policies. */
  readonly auth: boolean;
  /** `AWS_ENDPOINT_URL` of the functions it runs. */
  readonly functionsEndpoint: string;
}

/** A MiniStack of its own: a free port, its own folder, gone with whoever started it. */
export interface Emulator extends AsyncDisposable {
  readonly port: number;
  /** Output of the emulator and its functions so far. */
  readonly log: readonly string[];
  /** Turns its clock on. The clocks of its functions stay as they are. */
  advance(ms: number): Promise<void>;
}

/** @throws PythonMissing; or with the end of its log where it does not start */
export async function startEmulator(options: EmulatorOptions): Promise<Emulator> {
  const python = await emulatorPython();
  for (let tries = 1; ; tries++) {
    // Between the moment a port is found free and the emulator's start somebody else may take it.
    const emulator = launch(python, options, await freePort());
    if (await emulator.ready) return emulator;
    await emulator[Symbol.asyncDispose]();
    if (tries === starts) throw new Error(`the AWS emulator does not start:\n${emulator.log.slice(-20).join("\n")}`);
  }
}

function launch(python: string, options: EmulatorOptions, port: number): Emulator & { ready: Promise<boolean> } {
  const home = mkdtempSync(join(tmpdir(), "bridge-emulator-"));
  // The emulator's own worker script is CommonJS: a package.json above the temporary folder must not say otherwise.
  writeFileSync(join(home, "package.json"), "{}");
  const child = spawn(python, [join(import.meta.dirname, "launch.py")], {
    cwd: home,
    env: environment(options, home, port),
    stdio: ["pipe", "pipe", "pipe"],
    // A process group of its own, which launch.py ends when its standard input does.
    detached: true,
  });
  const log: string[] = [];
  const turned: (() => void)[] = [];
  const ready = new Promise<boolean>((resolve) => {
    const read = (line: string) => {
      if (line === "clock") return turned.shift()?.();
      log.push(line);
      // Its own word, because on the same port somebody else's emulator may answer.
      if (line.includes(`Running on http://127.0.0.1:${port}`)) resolve(true);
    };
    for (const stream of [child.stdout, child.stderr]) createInterface(stream).on("line", read);
    child.once("exit", () => resolve(false));
    setTimeout(() => resolve(false), startMs).unref();
  });
  // Written to after it ended, it is simply gone.
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
    // Its functions run on the Node that runs this.
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
    // Ports of services nobody here uses, which two runs at once would fight for.
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
