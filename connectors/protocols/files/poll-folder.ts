// Polls a folder for files that another system puts there, and returns their rows as inbound messages.
import { hash, randomBytes } from "node:crypto";
import * as z from "zod";
import type { ConnectorState, InboundMessage, NotPolled, Polled } from "../../../bridge/model/connector.ts";
import { type Folder, FolderError, type FolderFile, type WithFolder } from "./folder.ts";
import { addressSchema } from "./folder-address.ts";
import { type Row, readPage } from "./row-reader.ts";

/** Size limit of a file. A download must finish within the 4 s limit of a connection. */
const maxFileBytes = 8_388_608;

/** Rows returned per poll. */
const maxRows = 500;

/** Files of a folder considered per poll, oldest first. */
const maxFiles = 100;

/** Returns the schema of `pickUp` in a connector's configuration. */
export function pickUpSchema(protocols: readonly string[], examples: string) {
  return z.strictObject({
    from: addressSchema(protocols, examples).describe(`The folder: ${examples}.`),
    files: z
      .string()
      .regex(/^[\w .#$*-]{1,100}$/, "is not a pattern such as rates-*.csv")
      .default("*.csv")
      .describe("File name pattern; * matches any text. Files whose name begins with a dot are ignored."),
    form: z
      .enum(["csv", "ndjson"])
      .default("csv")
      .describe("File format. csv: RFC 4180. ndjson: one JSON object per line."),
    columns: z
      .array(z.string().min(1))
      .min(1)
      .refine((names) => new Set(names).size === names.length, "has a duplicate name")
      .optional()
      .describe("csv: the column names, if the files have no header row."),
    delimiter: z.enum([",", ";", "\t", "|"]).default(","),
    encoding: z.enum(["utf-8", "windows-1252"]).default("utf-8"),
    whole: z
      .enum(["unchanged", "renamed"])
      .default("unchanged")
      .describe(
        "The sign that a file is complete. unchanged: its size and time are as in the previous poll. renamed: its name " +
          "matches, because the writer renames it once it is complete.",
      ),
    taken: z
      .string()
      .regex(/^[\w-]{1,40}$/, "is not a name of at most 40 letters, digits, _ and -")
      .default("taken")
      .describe("The subfolder that files are moved to before they are read. It must exist."),
  });
}

export type PickUpConfig = z.output<ReturnType<typeof pickUpSchema>>;

const positionSchema = z.strictObject({ offset: z.int().min(0), line: z.int().min(1) });

/** Stored state between polls. */
const pollStateSchema = z.strictObject({
  /** Size and time of each file in the previous poll, by name. */
  seen: z.record(z.string(), z.string()),
  /** The file that is being read. */
  file: z
    .strictObject({
      name: z.string(),
      /** Unique name that the file is moved to. */
      as: z.string(),
      bytes: z.int(),
      /** Time of its last change, or of its discovery. ms since the epoch */
      at: z.number(),
      next: positionSchema,
    })
    .optional(),
});
type PollState = z.output<typeof pollStateSchema>;
type CurrentFile = NonNullable<PollState["file"]>;

/** Content of the file that this process read last, so a file is downloaded once and not for each page. */
let lastRead: { readonly as: string; readonly size: number; readonly bytes: Buffer } | undefined;

const nothingNew: Polled = { messages: [], taken: async () => {} };

/**
 * Returns the next rows of a folder's complete files, oldest file first, one message per row.
 *
 * A file is first selected and stored in the state, then moved to the `taken` subfolder, and only then read. Wherever a
 * process crashes, every row is returned, and always under the same id. An unreadable row is returned as a message with
 * a reason.
 */
export async function pollFolder(
  withFolder: WithFolder,
  config: PickUpConfig,
  { memory, signal }: { readonly memory: ConnectorState; readonly signal: AbortSignal },
): Promise<Polled | NotPolled> {
  const state = pollStateSchema.parse((await memory.get()) ?? { seen: {} });
  let file = state.file;
  try {
    return await withFolder(signal, async (folder) => {
      file ??= await selectFile(folder, config, state, memory);
      return file ? readRows(folder, config, { ...state, file }, memory) : nothingNew;
    });
  } catch (error) {
    if (!(error instanceof FolderError)) throw error;
    const { message, kind } = error;
    // A file name may contain personal data and must not be logged.
    const redacted = file ? message.replaceAll(file.as, "the file").replaceAll(file.name, "the file") : message;
    return { reason: redacted, auth: kind === "credentials" };
  }
}

/** Selects the next complete file and stores it in the state. Returns undefined if there is none. */
async function selectFile(
  folder: Folder,
  config: PickUpConfig,
  state: PollState,
  memory: ConnectorState,
): Promise<CurrentFile | undefined> {
  const isRenamed = config.whole === "renamed";
  const files = await candidates(folder, config);
  const seen = isRenamed ? {} : Object.fromEntries(files.map((each) => [each.name, sizeAndTimeOf(each)]));
  const next = files.find((each) => isRenamed || state.seen[each.name] === sizeAndTimeOf(each));
  if (next) {
    const { name, bytes, changedAt } = next;
    const now = new Date();
    const as = `${config.taken}/${now.toISOString().replace(/[-:.]/g, "")}-${randomBytes(4).toString("hex")}-${name}`;
    const file = { name, as, bytes, at: (changedAt ?? now).getTime(), next: { offset: 0, line: 1 } };
    await memory.set({ seen, file });
    return file;
  }
  if (JSON.stringify(seen) !== JSON.stringify(state.seen)) await memory.set({ seen });
  return undefined;
}

/** Lists the files that match the pattern, oldest first. */
async function candidates(folder: Folder, { files: pattern }: PickUpConfig): Promise<FolderFile[]> {
  const matching = new RegExp(`^(?!\\.)${pattern.replace(/[.$]/g, "\\$&").replaceAll("*", ".*")}$`, "s");
  const age = ({ changedAt }: FolderFile) => changedAt?.getTime() ?? 0;
  return (
    (await folder.list())
      // A name with a slash would be a file in another folder.
      .filter(({ name }) => matching.test(name) && /^[^/\\\p{Cc}]{1,200}$/u.test(name))
      .sort((a, b) => age(a) - age(b) || (a.name < b.name ? -1 : 1))
      .slice(0, maxFiles)
  );
}

/** Returns a text that changes while a file is still being written. */
function sizeAndTimeOf({ bytes, changedAt }: FolderFile): string {
  return `${bytes} ${changedAt?.toISOString() ?? ""}`;
}

/** Returns the next rows of the current file. */
async function readRows(
  folder: Folder,
  config: PickUpConfig,
  { seen, file }: PollState & { readonly file: CurrentFile },
  memory: ConnectorState,
): Promise<Polled> {
  const size = await moveToTaken(folder, file);
  const lastPage = {
    more: true,
    taken() {
      lastRead = undefined;
      return memory.set({ seen });
    },
  };
  if (size === undefined) return { messages: [], ...lastPage };
  if (size > maxFileBytes) {
    const reason = `the file has ${size} bytes; the limit is ${maxFileBytes}`;
    return { messages: [unreadableMessage(file, 1, reason, "")], ...lastPage };
  }
  const isFirstPage = file.next.offset === 0;
  if (isFirstPage && size !== file.bytes) {
    // The writer has not finished: it continues to write to the moved file.
    await memory.set({ seen, file: { ...file, bytes: size } });
    return nothingNew;
  }
  if (lastRead?.as !== file.as || lastRead.size !== size) {
    lastRead = { as: file.as, size, bytes: toUtf8(await folder.read(file.as, maxFileBytes), config) };
  }
  const { rows, next } = readPage(lastRead.bytes, config, file.next, maxRows);
  const messages = rows.map((row) => messageOf(file, row));
  if (!next) return { messages, ...lastPage };
  return { messages, more: true, taken: () => memory.set({ seen, file: { ...file, next } }) };
}

/** Moves a file to its unique name, unless an earlier poll did. Returns its size, or undefined if the file is gone. */
async function moveToTaken(folder: Folder, { name, as }: CurrentFile): Promise<number | undefined> {
  const size = await folder.size(as);
  if (size !== undefined) return size;
  if ((await folder.size(name)) === undefined) return undefined;
  try {
    await folder.rename(name, as);
  } catch (error) {
    if (!(error instanceof FolderError) || error.kind !== "answered") throw error;
    const [subfolder] = as.split("/");
    const message = `a file cannot be moved to the subfolder ${subfolder}; check that it exists and that both folders are writable`;
    throw new FolderError(message, error.kind, error);
  }
  return folder.size(as);
}

/** Converts a file to UTF-8 without a byte order mark. */
function toUtf8(bytes: Buffer, { encoding }: PickUpConfig): Buffer {
  if (encoding !== "utf-8") return Buffer.from(new TextDecoder(encoding).decode(bytes));
  const hasByteOrderMark = bytes.subarray(0, 3).equals(Buffer.from("\u{feff}"));
  return hasByteOrderMark ? bytes.subarray(3) : bytes;
}

function messageOf(file: CurrentFile, row: Row): InboundMessage {
  if ("issue" in row) return unreadableMessage(file, row.line, `line ${row.line} ${row.issue}`, row.text);
  return { id: idOf(file, row.line), at: file.at, data: row.data };
}

function unreadableMessage(file: CurrentFile, line: number, reason: string, text: string): InboundMessage {
  return { id: idOf(file, line), at: file.at, data: { file: file.name, line, text }, unreadable: reason };
}

function idOf({ as }: CurrentFile, line: number): string {
  return hash("sha256", `${as}\n${line}`).slice(0, 32);
}
