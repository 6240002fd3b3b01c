import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { styleText } from "node:util";
import { pgliteServer } from "../test/support/pglite-server.ts";
import { targetServer } from "../test/support/target-server.ts";

// Runs one of the examples against real servers on loopback, and prints what each server received.
const [name = ""] = process.argv.slice(2);
const file = `examples/${name.replace(/\.ts$/, "")}.ts`;
if (name === "" || !existsSync(file)) {
  const names = readdirSync("examples").flatMap((entry) => (/\.ts$/.test(entry) ? [entry.slice(0, -3)] : []));
  console.error(`Usage: npm run example <name>\nNames: ${names.join(", ")}`);
  process.exit(2);
}
await using payroll = await targetServer();
await using scheduling = await targetServer();
await using gis = await targetServer();
await using hr = await targetServer();
// Started only if the example uses it, because a database takes a second to start.
const ddl = `CREATE ROLE hms_bridge; ${readFileSync("docs/sql/postgresql.sql", "utf8")}`;
await using audit = readFileSync(file, "utf8").includes("AUDIT_PORT") ? await pgliteServer(ddl) : undefined;

const child = spawn(process.execPath, [file], {
  stdio: "inherit",
  env: {
    ...process.env,
    PAYROLL_URL: payroll.url,
    SCHEDULING_URL: scheduling.url,
    GIS_URL: gis.url,
    HR_URL: hr.url,
    ...(audit && {
      AUDIT_PORT: String(audit.port),
      BRIDGE_SECRET_POSTGRESQLAUDITCONNECTOR: JSON.stringify(audit.login),
    }),
  },
});
const [code] = (await once(child, "close")) as [number | null];

const received: string[] = [];
for (const [system, server] of Object.entries({ payroll, scheduling, gis, hr })) {
  for (const { method, path, body } of server.received)
    received.push(line(system, `${method} ${path}`, JSON.stringify(body)));
}
const query =
  "SELECT packet_id, entity, revision, fields, to_char(changed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') AS at";
for (const { packet_id, entity, revision, fields, at } of (await audit?.ask(`${query} FROM hms_audit`)) ?? []) {
  received.push(line("audit", "a row of hms_audit", JSON.stringify(fields)));
  received.push(line("", "", `${packet_id} about ${entity}, of ${at} UTC, revision ${revision}`));
}
if (received.length > 0) {
  console.log(`\n${[styleText("bold", "What each system received"), ...received].join("\n")}`);
}
process.exitCode = code ?? 1;

function line(system: string, where: string, what: string): string {
  return `${system.padEnd(11)} ${where.padEnd(31)}  ${what}`;
}
