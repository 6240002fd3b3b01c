import { cpus } from "node:os";

/** The machine and the time of a run, for files of figures. */
export function machine() {
  return { at: new Date().toISOString(), node: process.version, cpu: cpus()[0]?.model, cores: cpus().length };
}
