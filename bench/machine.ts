import { cpus } from "node:os";

/** Describes the machine and the time of a run, for result files. */
export function machine() {
  return { at: new Date().toISOString(), node: process.version, cpu: cpus()[0]?.model, cores: cpus().length };
}
