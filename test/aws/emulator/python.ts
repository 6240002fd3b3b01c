import { execFile } from "node:child_process";
import { hash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

const requirements = join(import.meta.dirname, "requirements.txt");
const cache = join(import.meta.dirname, "..", "..", "..", "node_modules", ".cache", "hms-bridge");

/** Thrown if Python is missing, too old or without venv, or cannot download the emulator. */
class PythonMissing extends Error {}

/** Exit code of a script that cannot install the emulator. */
const missingCode = 4;

/** Installs the emulator for a script. If that fails, prints the reason and exits. */
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
 * Returns the Python that runs the emulator, from a virtual environment in node_modules. It is created on the first
 * call and again if the pinned packages change.
 *
 * @throws {PythonMissing} with the packages to install
 */
export async function emulatorPython(): Promise<string> {
  const version = await usablePython();
  const pinned = hash("sha256", `${version}\n${readFileSync(requirements, "utf8")}`).slice(0, 12);
  const home = join(cache, `emulator-${pinned}`);
  if (!existsSync(home)) await createEnvironment(home);
  return join(home, "bin", "python");
}

/** Checks `python3`. @returns its version */
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

/** Creates the environment under a temporary name and renames it, so that concurrent runs do not interfere. */
async function createEnvironment(home: string): Promise<void> {
  const temporary = `${home}.${process.pid}`;
  mkdirSync(cache, { recursive: true });
  try {
    await run("python3", ["-m", "venv", temporary]);
    const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements];
    await run(join(temporary, "bin", "python"), pip);
    if (!existsSync(home)) renameSync(temporary, home);
  } catch (error) {
    // A concurrent run may have created it first.
    if (existsSync(home)) return;
    const { stderr = "" } = error as { stderr?: string };
    throw new PythonMissing(
      `the AWS emulator could not be installed in ${temporary}; is the Python package index reachable?\n${stderr.trim()}`,
      { cause: error },
    );
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}
