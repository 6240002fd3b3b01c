import * as z from "zod";
import type { ConnectorState } from "../../../bridge/model/connector.ts";
import { delivered, type Outcome, refused } from "../../../bridge/model/outcome.ts";
import type { Packet } from "../../../bridge/model/packet.ts";
import { flatFile } from "./flat-file.ts";
import type { Layout } from "./flat-file-layout.ts";
import { isIssue } from "./flat-file-values.ts";
import { type Folder, FolderError, retryOf, writeAtomically } from "./folder.ts";

/** Names, numbers and layout of numbered files. */
export interface NumberedFileOptions {
  /** File name that contains `{number}`. */
  readonly file: string;
  /** Digits of the number in the file name, with leading zeros. */
  readonly digits: number;
  /** Lowest number to use. */
  readonly first: number;
  readonly layout: Layout;
}

/** Stored state: the highest number assigned, and the packet it was assigned to. */
const numberingSchema = z.strictObject({
  number: z.int().min(0),
  packet: z.string(),
  /** Numbers of earlier packets that are still open, by packet. Each packet keeps its number until it is closed. */
  overtaken: z.record(z.string(), z.int()).default({}),
});

type NumberingState = z.output<typeof numberingSchema>;

/**
 * Uploads a packet's file under the next free number.
 *
 * A number is assigned and stored right before the file becomes visible, and stays with the packet. A repeated attempt
 * uses the same number, even if another packet has been sent in between, and reports an existing file with the same
 * content as delivered.
 *
 * @param withFolder runs its argument with access to the folder
 * @returns refused if the packet does not fit the layout, the number has too many digits, or another file has the name
 */
export async function uploadNumbered(
  packet: Packet,
  { file, digits, first, layout }: NumberedFileOptions,
  state: ConnectorState,
  withFolder: (work: (folder: Folder) => Promise<Outcome>) => Promise<Outcome>,
): Promise<Outcome> {
  const numbering = numberingSchema.parse((await state.get()) ?? { number: 0, packet: "" });
  const assigned = numbering.packet === packet.id ? numbering.number : numbering.overtaken[packet.id];
  const isAssigned = assigned !== undefined;
  const number = assigned ?? Math.max(numbering.number + 1, first);
  const digitsText = String(number).padStart(digits, "0");
  if (digitsText.length > digits) return refused(`number ${number} has more than ${digits} digits`);
  const bytes = flatFile(packet, layout, number);
  if (isIssue(bytes)) return refused(bytes.issue);

  const name = file.replace("{number}", digitsText);
  const assign = async () => {
    if (!isAssigned) await state.set({ number, packet: packet.id, ...(await openNumbers(numbering, state)) });
  };
  let isRenaming = false;
  try {
    return await withFolder(async (folder) => {
      const existing = await existingFile(folder, name, bytes, isAssigned);
      if (existing === "different") {
        return refused(
          `${name} exists already with different content; remove it or raise "first" above ${number} in the connector's configuration, then send the packet again`,
        );
      }
      if (existing === "same") await assign();
      else {
        await writeAtomically(folder, name, bytes, async () => {
          await assign();
          isRenaming = true;
        });
      }
      return delivered({ at: name });
    });
  } catch (error) {
    return retryOf(error, isRenaming);
  }
}

/** Returns the assigned numbers whose packets are still open, as the `overtaken` key of the new state. */
async function openNumbers(
  { number, packet, overtaken }: NumberingState,
  state: ConnectorState,
): Promise<Partial<NumberingState>> {
  const numbers = Object.entries(packet === "" ? overtaken : { ...overtaken, [packet]: number });
  const isOpen = await Promise.all(numbers.map(([id]) => state.isOpen(id)));
  const open = numbers.filter((_, i) => isOpen[i]);
  return open.length > 0 ? { overtaken: Object.fromEntries(open) } : {};
}

/** Compares the file with this name, if there is one, with the content to upload. */
async function existingFile(
  folder: Folder,
  name: string,
  bytes: Buffer,
  isAssigned: boolean,
): Promise<"none" | "same" | "different"> {
  const size = await folder.size(name);
  if (size === undefined) return "none";
  if (size !== bytes.length) return "different";
  try {
    return bytes.equals(await folder.read(name, bytes.length)) ? "same" : "different";
  } catch (error) {
    // Some inboxes are write-only. If the number is assigned to this packet, so is the file.
    if (isAssigned && error instanceof FolderError && error.kind === "answered") return "same";
    throw error;
  }
}
