import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { projectRoot } from "../../infra/bundle.ts";
import { emulatorOrExit } from "./emulator/python.ts";

// Runs `npm run test:aws`: installs the emulator, then runs the tests that need it. Arguments are passed to vitest.
await emulatorOrExit();
const vitest = join(projectRoot, "node_modules/vitest/vitest.mjs");
const child = spawn(
  process.execPath,
  [vitest, "run", "--config", join(projectRoot, "vitest.aws.config.ts"), ...process.argv.slice(2)],
  { cwd: projectRoot, stdio: "inherit" },
);
const [code] = (await once(child, "exit")) as [number | null];
process.exitCode = code ?? 1;
