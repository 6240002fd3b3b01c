import { execFile } from "node:child_process";
import { hash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

const requirements = join(import.meta.dirname, "requirements.txt");
const cache = join(import.meta.dirname, "..", "..", "..", "node_modules", ".cache", "hms-bridge");

/** Python is missing, too old, without venv, or cannot fetch the emulator: nothing of the bridge is at fault. */
class PythonMissing extends Error {}

/** Exit code of a script that cannot install the emulator. */
const missingCode = 4;

/** Makes the emulator ready for a script; where it cannot be had, says why and ends the process. */
export async function emulatorOrExit(): Promise<void> {
  try {
    await emulatorPython();
  } catch (error) {
    if (!(error instanceof PythonMissing)) throw error;
    console.error(error.message);
    process.exit(missingCode);
  }
}

/**
 * The Python that runs the emulator: of a virtual environment below node_modules, made at the first call and kept
 * until the pinned packages change.
 *
 * @throws PythonMissing with what to install
 */
export async function emulatorPython(): Promise<string> {
  const version = await usablePython();
  const pinned = hash("sha256", `${version}\n${readFileSync(requirements, "utf8")}`).slice(0, 12);
  const home = join(cache, `emulator-${pinned}`);
  if (!existsSync(home)) await makeEnvironment(home);
  return join(home, "bin", "python");
}

/** @returns its version */
async function usablePython(): Promise<string> {
  const ask = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])";
  let version: string;
  try {
    version = (await run("python3", ["-c", ask])).stdout.trim();
  } catch (error) {
    throw new PythonMissing(
      "the AWS emulator needs python3 (3.10 or later) with venv; on Debian or Ubuntu: apt-get install python3-venv",
      { cause: error },
    );
  }
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major > 3 || (major === 3 && minor >= 10)) return version;
  throw new PythonMissing(`the AWS emulator needs Python 3.10 or later, and python3 is ${version}`);
}

/** Made beside its place and moved there whole, so that two runs at once do no harm to each other. */
async function makeEnvironment(home: string): Promise<void> {
  const making = `${home}.${process.pid}`;
  mkdirSync(cache, { recursive: true });
  try {
    await run("python3", ["-m", "venv", making]);
    const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements];
    await run(join(making, "bin", "python"), pip);
    if (!existsSync(home)) renameSync(making, home);
  } catch (error) {
    // Another run may have been first.
    if (existsSync(home)) return;
    const { stderr = "" } = error as { stderr?: string };
    throw new PythonMissing(
      `the AWS emulator could not be installed in ${making}; is the Python package index reachable?\n${stderr.trim()}`,
      { cause: error },
    );
  } finally {
    rmSync(making, { recursive: true, force: true });
  }
}
