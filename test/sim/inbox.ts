import type { Packet } from "../../bridge/model/packet.ts";
import { flatFile } from "../../connectors/protocols/files/flat-file.ts";
import { layoutSchema } from "../../connectors/protocols/files/flat-file-layout.ts";
import { type Folder, FolderError } from "../../connectors/protocols/files/folder.ts";
import type { NumberedFileOptions } from "../../connectors/protocols/files/numbered-upload.ts";
import type { Mood } from "./mood.ts";

/** File layout of the simulation: each file names the packet it belongs to. */
export const numbering: NumberedFileOptions = {
  file: "HMS{number}.DAT",
  digits: 6,
  first: 1,
  layout: layoutSchema.parse({
    lines: { form: "delimited", detail: [{ is: "number" }, { is: "packet" }, { is: "entity" }, { field: "a" }] },
  }),
};

/** Lets one thing be done in the folder, in its turn. */
type Do = <T>(name: string, hasEffect: boolean, work: () => T) => Promise<T>;

/** A mainframe's inbox in memory. */
export class Inbox {
  readonly #files = new Map<string, Uint8Array>();

  /** The files whose names do not begin with a dot, in the order of their names. */
  visible(): { readonly name: string; readonly bytes: Uint8Array }[] {
    return [...this.#files]
      .filter(([name]) => !name.startsWith("."))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, bytes]) => ({ name, bytes }));
  }

  /**
   * The folder as one visit sees it.
   *
   * @param appears called when a file becomes visible, with whether it replaced another
   */
  folder(act: Do, appears: (overwrote: boolean) => void): Folder {
    const files = this.#files;
    return {
      leftoverTempFiles: new Set(),
      check: () => act("check", false, () => {}),
      size: (name) => act("size", false, () => files.get(name)?.byteLength),
      read: (name) => act("read", false, () => Buffer.from(files.get(name) ?? [])),
      list: () => act("list", false, () => [...files].map(([name, { byteLength }]) => ({ name, bytes: byteLength }))),
      write: (name, bytes) => act("write", true, () => void files.set(name, bytes)),
      rename: (from, to) =>
        act("rename", true, () => {
          const bytes = files.get(from);
          if (!bytes) throw new FolderError("there is no such file", "answered");
          appears(files.has(to));
          files.delete(from);
          files.set(to, bytes);
        }),
      remove: (name) => act("remove", true, () => void files.delete(name)),
    };
  }
}

/** The file a packet must have become. */
export function fileOf(packet: Packet, number: number): { readonly name: string; readonly bytes: Buffer } {
  const digits = String(number).padStart(numbering.digits, "0");
  return {
    name: numbering.file.replace("{number}", digits),
    bytes: flatFile(packet, numbering.layout, number) as Buffer,
  };
}

/** Outcome of one command at a server in this mood: whether it is carried out, and whether the answer is yes, an error or none. */
export function answerIn(mood: Mood, fraction: () => number): { readonly does: boolean; readonly says: "yes" | Fault } {
  const half = () => fraction() < 0.5;
  switch (mood) {
    case "failing":
    case "overloaded":
    case "throttling":
    case "refusing":
      return { does: false, says: new FolderError("the folder's disk is full", "answered") };
    case "locked":
      return { does: false, says: new FolderError("it does not know us", "credentials") };
    case "hanging":
      return { does: half(), says: "nothing" };
    case "losing":
      return { does: true, says: new FolderError("the connection was reset", "no-answer") };
    case "deaf":
      return { does: false, says: new FolderError("the connection was reset", "no-answer") };
    case "throwing":
      return { does: half(), says: new TypeError("the connector's own fault") };
    default:
      return { does: true, says: "yes" };
  }
}

type Fault = Error | "nothing";
