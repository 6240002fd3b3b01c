import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { styleText } from "node:util";
import { targetServer } from "../test/support/target-server.ts";

// Runs one of examples/ against a real server on loopback, and shows what that server received.
const [name = ""] = process.argv.slice(2);
const file = `examples/${name.replace(/\.ts$/, "")}.ts`;
if (name === "" || !existsSync(file)) {
  const names = readdirSync("examples").flatMap((entry) => (/\.ts$/.test(entry) ? [entry.slice(0, -3)] : []));
  console.error(`npm run example <name>, one of: ${names.join(", ")}`);
  process.exit(2);
}
await using target = await targetServer();
const { url } = target;
const child = spawn(process.execPath, [file], {
  stdio: "inherit",
  env: { ...process.env, PAYROLL_URL: url, GIS_URL: url, HR_URL: url },
});
const [code] = (await once(child, "close")) as [number | null];
for (const { method, path, body } of target.received) {
  console.log(styleText("dim", `the target received  ${method} ${path}  ${JSON.stringify(body)}`));
}
process.exitCode = code ?? 1;
