import { hash, randomBytes } from "node:crypto";
import * as z from "zod";
import type { ConnectorState, InboundMessage, NotPolled, Polled } from "../../../bridge/model/connector.ts";
import { type Enter, type Folder, FolderError, type FolderFile } from "./folder.ts";
import { addressSchema } from "./folder-address.ts";
import { pageOf, type Row } from "./row-reader.ts";

/** A larger file is not read. It must come over within the 4 s of a visit. */
const maxFileBytes = 8_388_608;

/** So many rows are told at once. */
const maxRows = 500;

/** So many files of a folder are looked at, the oldest first; the others when their turn comes. */
const maxFiles = 100;

/** Files to be picked up from a folder: part of a connector's configuration. */
export function pickUpSchema(protocols: readonly string[], examples: string) {
  return z.strictObject({
    from: addressSchema(protocols, examples).describe(`The folder: ${examples}.`),
    files: z
      .string()
      .regex(/^[\w .#$*-]{1,100}$/, "is no pattern such as rates-*.csv")
      .default("*.csv")
      .describe("Which files; * stands for anything. One whose name begins with a dot is left alone."),
    form: z.enum(["csv", "ndjson"]).default("csv").describe("csv: RFC 4180. ndjson: a JSON object a line."),
    columns: z
      .array(z.string().min(1))
      .min(1)
      .refine((names) => new Set(names).size === names.length, "names a column twice")
      .optional()
      .describe("csv: the names of the columns, where the first row is not they."),
    delimiter: z.enum([",", ";", "\t", "|"]).default(","),
    encoding: z.enum(["utf-8", "windows-1252"]).default("utf-8"),
    whole: z
      .enum(["unchanged", "renamed"])
      .default("unchanged")
      .describe(
        "How a whole file is known. unchanged: it looks as it did a minute ago. renamed: whoever makes it gives it its name " +
          "when it is whole.",
      ),
    taken: z
      .string()
      .regex(/^[\w-]{1,40}$/, "is no short name of letters, digits, _ and -")
      .default("taken")
      .describe("The folder below it that files are moved to before they are read. It must be there."),
  });
}

export type PickUp = z.output<ReturnType<typeof pickUpSchema>>;

const placeSchema = z.strictObject({ offset: z.int().min(0), line: z.int().min(1) });

/** What is remembered from one look to the next. */
const stateSchema = z.strictObject({
  /** How each file looked. */
  seen: z.record(z.string(), z.string()),
  /** The file that is being read. */
  file: z
    .strictObject({
      name: z.string(),
      /** Where it is moved to: a name no other file ever has. */
      as: z.string(),
      bytes: z.int(),
      /** When it was changed, or seen first. ms */
      at: z.number(),
      next: placeSchema,
    })
    .optional(),
});
type State = z.output<typeof stateSchema>;
type OpenFile = NonNullable<State["file"]>;

/** The file this process has read last: it comes over once, and not for each of its pages. No other has its name. */
let held: { readonly as: string; readonly size: number; readonly bytes: Buffer } | undefined;

const nothing: Polled = { messages: [], taken: async () => {} };

/**
 * What is new in a folder: the rows of whole files, the oldest file first, a message a row.
 *
 * A file is chosen, remembered, moved to the folder of those that were taken, and only then read; so it is read to its
 * end wherever a process ends, and never twice. A row that cannot be read is a message that says so.
 *
 * @param enter the way into the folder
 */
export async function pickUp(
  enter: Enter,
  form: PickUp,
  { memory, signal }: { readonly memory: ConnectorState; readonly signal: AbortSignal },
): Promise<Polled | NotPolled> {
  const state = stateSchema.parse((await memory.get()) ?? { seen: {} });
  let file = state.file;
  try {
    return await enter(signal, async (folder) => {
      file ??= await choose(folder, form, state, memory);
      return file ? read(folder, form, { ...state, file }, memory) : nothing;
    });
  } catch (fault) {
    if (!(fault instanceof FolderError)) throw fault;
    // A file's name is its maker's, and no business of a log.
    const says = file ? fault.message.replaceAll(file.as, "the file").replaceAll(file.name, "the file") : fault.message;
    return { fault: says, auth: fault.kind === "credentials" };
  }
}

/** The next whole file, from now on ours; nothing where there is none. */
async function choose(
  folder: Folder,
  form: PickUp,
  state: State,
  memory: ConnectorState,
): Promise<OpenFile | undefined> {
  const wanted = new RegExp(`^(?!\\.)${form.files.replace(/[.$]/g, "\\$&").replaceAll("*", ".*")}$`, "s");
  const age = ({ changedAt }: FolderFile) => changedAt?.getTime() ?? 0;
  const files = (await folder.list())
    // A name with a slash would be another folder's file.
    .filter(({ name }) => wanted.test(name) && /^[^/\\\p{Cc}]{1,200}$/u.test(name))
    .sort((a, b) => age(a) - age(b) || (a.name < b.name ? -1 : 1))
    .slice(0, maxFiles);
  const seen = form.whole === "renamed" ? {} : Object.fromEntries(files.map((each) => [each.name, lookOf(each)]));
  const next = files.find((each) => form.whole === "renamed" || state.seen[each.name] === lookOf(each));
  if (next) {
    const { name, bytes, changedAt } = next;
    const now = new Date();
    const as = `${form.taken}/${now.toISOString().replace(/[-:.]/g, "")}-${randomBytes(4).toString("hex")}-${name}`;
    const file = { name, as, bytes, at: (changedAt ?? now).getTime(), next: { offset: 0, line: 1 } };
    await memory.set({ seen, file });
    return file;
  }
  if (JSON.stringify(seen) !== JSON.stringify(state.seen)) await memory.set({ seen });
  return undefined;
}

/** By what a file that is still being written is known. */
function lookOf({ bytes, changedAt }: FolderFile): string {
  return `${bytes} ${changedAt?.toISOString() ?? ""}`;
}

/** The next rows of the file that is being read. */
async function read(
  folder: Folder,
  form: PickUp,
  { seen, file }: State & { readonly file: OpenFile },
  memory: ConnectorState,
): Promise<Polled> {
  const size = await bringAway(folder, file);
  const closed = {
    more: true,
    taken() {
      held = undefined;
      return memory.set({ seen });
    },
  };
  if (size === undefined) return { messages: [], ...closed };
  if (size > maxFileBytes) {
    const fault = `the file has ${size} bytes, and more than ${maxFileBytes} are not read`;
    return { messages: [unreadable(file, 1, fault, "")], ...closed };
  }
  const isBegun = file.next.offset > 0;
  if (!isBegun && size !== file.bytes) {
    // Its maker writes on, though it has another name by now.
    await memory.set({ seen, file: { ...file, bytes: size } });
    return nothing;
  }
  if (held?.as !== file.as || held.size !== size) {
    held = { as: file.as, size, bytes: inUtf8(await folder.read(file.as, maxFileBytes), form) };
  }
  const { rows, next } = pageOf(held.bytes, form, file.next, maxRows);
  const messages = rows.map((row) => messageOf(file, row));
  if (!next) return { messages, ...closed };
  return { messages, more: true, taken: () => memory.set({ seen, file: { ...file, next } }) };
}

/** Moves the file to where no other has its name. @returns its size; nothing where somebody has taken it away */
async function bringAway(folder: Folder, { name, as }: OpenFile): Promise<number | undefined> {
  const size = await folder.size(as);
  if (size !== undefined) return size;
  if ((await folder.size(name)) === undefined) return undefined;
  try {
    await folder.rename(name, as);
  } catch (fault) {
    if (!(fault instanceof FolderError) || fault.kind !== "answered") throw fault;
    const [taken] = as.split("/");
    const says = `a file cannot be moved to the folder ${taken} below it; is that there, and may we write to both?`;
    throw new FolderError(says, fault.kind, fault);
  }
  return folder.size(as);
}

function inUtf8(bytes: Buffer, { encoding }: PickUp): Buffer {
  if (encoding !== "utf-8") return Buffer.from(new TextDecoder(encoding).decode(bytes));
  const mark = bytes.subarray(0, 3).equals(Buffer.from("\u{feff}"));
  return mark ? bytes.subarray(3) : bytes;
}

function messageOf(file: OpenFile, row: Row): InboundMessage {
  if ("fault" in row) return unreadable(file, row.line, `line ${row.line} ${row.fault}`, row.text);
  return { id: idOf(file, row.line), at: file.at, data: row.data };
}

function unreadable(file: OpenFile, line: number, fault: string, text: string): InboundMessage {
  return { id: idOf(file, line), at: file.at, data: { file: file.name, line, text }, unreadable: fault };
}

function idOf({ as }: OpenFile, line: number): string {
  return hash("sha256", `${as}\n${line}`).slice(0, 32);
}
