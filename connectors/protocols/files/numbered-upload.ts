import * as z from "zod";
import type { ConnectorState } from "../../../bridge/model/connector.ts";
import { delivered, type Outcome, refused } from "../../../bridge/model/outcome.ts";
import type { Packet } from "../../../bridge/model/packet.ts";
import { flatFile } from "./flat-file.ts";
import type { Layout } from "./flat-file-layout.ts";
import { isIssue } from "./flat-file-values.ts";
import { type Folder, FolderError, retryOf, writeWhole } from "./folder.ts";

/** What numbered files are called, and what stands in them. */
export interface Numbering {
  /** With `{number}` in it. */
  readonly file: string;
  readonly digits: number;
  /** No file has a number below it. */
  readonly first: number;
  readonly layout: Layout;
}

/** The last number that was given away, and to which packet. */
const givenSchema = z.strictObject({
  number: z.int().min(0),
  packet: z.string(),
  /** Packets that were overtaken, and are still open: each keeps the number it was given. */
  overtaken: z.record(z.string(), z.int()).default({}),
});

type Given = z.output<typeof givenSchema>;

/**
 * Puts a packet's file into a folder, under the number behind the last one.
 *
 * A number is given to a packet right before its file becomes visible, and is the packet's from then on: whatever
 * breaks off, it comes again under the same number, and a file that is there already counts as delivered. That holds
 * also where another goes before it meanwhile: one that is recorded later, and counts as older by its sequence.
 *
 * @param enter enters the folder, does something there, and leaves it
 */
export async function putNumbered(
  packet: Packet,
  { file, digits, first, layout }: Numbering,
  memory: ConnectorState,
  enter: (work: (folder: Folder) => Promise<Outcome>) => Promise<Outcome>,
): Promise<Outcome> {
  const given = givenSchema.parse((await memory.get()) ?? { number: 0, packet: "" });
  const own = given.packet === packet.id ? given.number : given.overtaken[packet.id];
  const isMine = own !== undefined;
  const number = own ?? Math.max(given.number + 1, first);
  const text = String(number).padStart(digits, "0");
  if (text.length > digits) return refused(`number ${number} has more than ${digits} digits`);
  const bytes = flatFile(packet, layout, number);
  if (isIssue(bytes)) return refused(bytes.fault);

  const name = file.replace("{number}", text);
  const giveNumber = async () => {
    if (!isMine) await memory.set({ number, packet: packet.id, ...(await overtakenBy(given, memory)) });
  };
  let renaming = false;
  try {
    return await enter(async (folder) => {
      const found = await look(folder, name, bytes, isMine);
      if (found === "other") {
        return refused(
          `${name} is there already, with another content; take it away, or raise "first" above ${number} in the connector's configuration, and send the packet again`,
        );
      }
      if (found === "same") await giveNumber();
      else {
        await writeWhole(folder, name, bytes, async () => {
          await giveNumber();
          renaming = true;
        });
      }
      return delivered({ at: name });
    });
  } catch (fault) {
    return retryOf(fault, renaming);
  }
}

/** Who still needs the number it was given, now that another packet is given one. */
async function overtakenBy({ number, packet, overtaken }: Given, memory: ConnectorState): Promise<Partial<Given>> {
  const all = Object.entries(packet === "" ? overtaken : { ...overtaken, [packet]: number });
  const open = await Promise.all(all.map(([id]) => memory.isOpen(id)));
  const left = all.filter((_, i) => open[i]);
  return left.length > 0 ? { overtaken: Object.fromEntries(left) } : {};
}

/** What stands under a file's name. */
async function look(
  folder: Folder,
  name: string,
  bytes: Buffer,
  isMine: boolean,
): Promise<"nothing" | "same" | "other"> {
  const size = await folder.size(name);
  if (size === undefined) return "nothing";
  if (size !== bytes.length) return "other";
  try {
    return bytes.equals(await folder.read(name, bytes.length)) ? "same" : "other";
  } catch (fault) {
    // Some inboxes may be written to and not read. A file of a number that was given to this packet is this packet's.
    if (isMine && fault instanceof FolderError && fault.kind === "answered") return "same";
    throw fault;
  }
}
