import type { Packet } from "../../bridge/model/packet.ts";
import { flatFile } from "../../connectors/protocols/files/flat-file.ts";
import { layoutSchema } from "../../connectors/protocols/files/flat-file-layout.ts";
import { type Folder, FolderError } from "../../connectors/protocols/files/folder.ts";
import type { NumberedFileOptions } from "../../connectors/protocols/files/numbered-upload.ts";
import type { TargetMode } from "./target-mode.ts";

/** File layout of the simulation. Each file contains its packet's id. */
export const numbering: NumberedFileOptions = {
  file: "HMS{number}.DAT",
  digits: 6,
  first: 1,
  layout: layoutSchema.parse({
    lines: { form: "delimited", detail: [{ is: "number" }, { is: "packet" }, { is: "entity" }, { field: "a" }] },
  }),
};

/** Runs one command on the folder when the scheduler allows it. */
type RunCommand = <T>(name: string, hasEffect: boolean, work: () => T) => Promise<T>;

/** A mainframe's folder for incoming files, in memory. */
export class Inbox {
  readonly #files = new Map<string, Uint8Array>();

  /** Returns the files whose names do not begin with a dot, sorted by name. */
  visible(): { readonly name: string; readonly bytes: Uint8Array }[] {
    return [...this.#files]
      .filter(([name]) => !name.startsWith("."))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, bytes]) => ({ name, bytes }));
  }

  /**
   * Opens the folder.
   *
   * @param onVisible called when a file becomes visible; `overwrote` is true if it replaced another
   */
  folder(run: RunCommand, onVisible: (overwrote: boolean) => void): Folder {
    const files = this.#files;
    return {
      leftoverTempFiles: new Set(),
      check: () => run("check", false, () => {}),
      size: (name) => run("size", false, () => files.get(name)?.byteLength),
      read: (name) => run("read", false, () => Buffer.from(files.get(name) ?? [])),
      list: () => run("list", false, () => [...files].map(([name, { byteLength }]) => ({ name, bytes: byteLength }))),
      write: (name, bytes) => run("write", true, () => void files.set(name, bytes)),
      rename: (from, to) =>
        run("rename", true, () => {
          const bytes = files.get(from);
          if (!bytes) throw new FolderError("there is no such file", "answered");
          onVisible(files.has(to));
          files.delete(from);
          files.set(to, bytes);
        }),
      remove: (name) => run("remove", true, () => void files.delete(name)),
    };
  }
}

/** Returns the file expected for a packet. */
export function fileOf(packet: Packet, number: number): { readonly name: string; readonly bytes: Buffer } {
  const digits = String(number).padStart(numbering.digits, "0");
  return {
    name: numbering.file.replace("{number}", digits),
    bytes: flatFile(packet, numbering.layout, number) as Buffer,
  };
}

/** Result of one command on the file server. */
interface CommandResult {
  /** True if the command has its effect, whatever the answer. */
  readonly isApplied: boolean;
  readonly answer: "ok" | "none" | Error;
}

/** Returns the result of one command on a file server in a mode. */
export function answerIn(mode: TargetMode, fraction: () => number): CommandResult {
  const half = () => fraction() < 0.5;
  switch (mode) {
    case "failing":
    case "overloaded":
    case "throttling":
    case "refusing":
      return { isApplied: false, answer: new FolderError("the folder's disk is full", "answered") };
    case "unauthorized":
      return { isApplied: false, answer: new FolderError("the server refused the credentials", "credentials") };
    case "hanging":
      return { isApplied: half(), answer: "none" };
    case "losing-answers":
      return { isApplied: true, answer: new FolderError("the connection was reset", "no-answer") };
    case "resetting":
      return { isApplied: false, answer: new FolderError("the connection was reset", "no-answer") };
    case "throwing":
      return { isApplied: half(), answer: new TypeError("a bug in the connector") };
    default:
      return { isApplied: true, answer: "ok" };
  }
}
