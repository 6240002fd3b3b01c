import syncFs from "node:fs";
import fs, { type FileHandle } from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { DatabaseSync, StatementSync } from "node:sqlite";

// Preloaded into a process (`node --import`). Kills the process immediately before the call number KILL_AT that changes a
// file or a SQLite database, and writes the name of each call before to standard error.

const killAt = Number(process.env.KILL_AT);
/** False if only the calls that change files count. */
const countsSql = process.env.KILL_ONLY !== "files";
let calls = 0;

/** Counts a call. @returns true if the process must die in it */
function count(name: string): boolean {
  calls++;
  if (calls < killAt) process.stderr.write(`${name}\n`);
  return calls === killAt;
}

function die(): void {
  process.kill(process.pid, "SIGKILL");
}

function patchHandle(handle: FileHandle): FileHandle {
  const { writeFile, sync } = handle;
  handle.writeFile = async (data, ...rest) => {
    if (count("write")) {
      await writeFile.call(handle, (data as Buffer).slice(0, data.toString().length / 2));
      die();
    }
    return writeFile.call(handle, data, ...rest);
  };
  handle.sync = async () => {
    if (count("sync")) die();
    return sync.call(handle);
  };
  return handle;
}

for (const name of ["copyFile", "link", "rename", "rm", "unlink"] as const) {
  const call = fs[name] as (...args: unknown[]) => Promise<void>;
  Object.assign(fs, {
    [name]: (...args: unknown[]) => {
      if (count(name)) die();
      return call(...args);
    },
  });
}
const { open } = fs;
fs.open = async (path, ...rest) => {
  if (count("open")) die();
  return patchHandle(await open(path, ...rest));
};
for (const name of ["fsyncSync", "linkSync", "renameSync", "rmSync", "writeFileSync"] as const) {
  const call = syncFs[name] as (...args: unknown[]) => void;
  Object.assign(syncFs, {
    [name]: (...args: unknown[]) => {
      if (count(name)) die();
      call(...args);
    },
  });
}
syncBuiltinESMExports();

if (countsSql) patchSql();

function patchSql(): void {
  const { exec } = DatabaseSync.prototype;
  DatabaseSync.prototype.exec = function (this: DatabaseSync, sql) {
    // A trigger's statements belong together.
    const statements = sql.split(/;(?!\s*END\b)/).filter((statement) => statement.trim() !== "");
    for (const statement of statements) {
      if (count(statement.trim().split("\n")[0] as string)) die();
      exec.call(this, statement);
    }
  };
  const { run } = StatementSync.prototype;
  StatementSync.prototype.run = function (this: StatementSync, ...args) {
    if (count(this.sourceSQL)) die();
    return run.apply(this, args as never);
  };
}
