import { hash } from "node:crypto";
import * as z from "zod";
import { defineConnector } from "../bridge/model/connector.ts";
import { type Outcome, refused } from "../bridge/model/outcome.ts";
import type { Packet } from "../bridge/model/packet.ts";
import { acceptedAtOf } from "../bridge/model/version.ts";
import type { Json } from "../bridge/values/json.ts";
import { csvText, escapeFormula } from "./protocols/files/csv.ts";
import { addressSchema } from "./protocols/files/folder-address.ts";
import { pickUpSchema, pollFolder } from "./protocols/files/poll-folder.ts";
import { hostKeySchema, loginSchema } from "./protocols/files/sftp.ts";
import { type Encode, encoderOf } from "./protocols/files/text-encoding.ts";
import { folderAt, missingLogin, s3PlaceOf, type UploadFile, uploaderFor } from "./protocols/files/upload.ts";

/** Columns that every row begins with, so that its reader can apply each packet once and in order. */
const ownColumns = ["packet_id", "version", "action", "entity", "fields"] as const;

const header = z.string().regex(/^[^\p{Cc}|]{1,128}$/u, "is empty, too long, or contains a control character or |");

const column = z.union([
  header,
  z.strictObject({
    field: z.string().min(1).describe("The packet's field, by its name in the sheet."),
    header: header.describe("The column's header."),
  }),
]);

type Column = Exclude<z.output<typeof column>, string>;

function columnsOf(columns: readonly z.output<typeof column>[]): Column[] {
  return columns.map((each) => (typeof each === "string" ? { field: each, header: each } : each));
}

function isUnique(names: readonly string[]): boolean {
  return new Set(names).size === names.length;
}

const examples = "file:///srv/drop, s3://bucket/drop or sftp://host/drop";

/** Bucket names by S3's naming rules, and folders without the characters that are wildcards in an IAM policy. */
const s3Pattern = /^s3:\/\/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?:\/[\w!.'()+=@:, -]+)*\/?$/;

const config = z
  .strictObject({
    to: addressSchema(["file:", "s3:", "sftp:"], examples)
      .refine((text) => !text.startsWith("s3:") || s3Pattern.test(text), "is not an address such as s3://bucket/drop/")
      .describe(`The folder: ${examples}.`),
    columns: z
      .array(column)
      .min(1)
      .refine((all) => isUnique(columnsOf(all).map(({ field }) => field)), "names a field twice")
      .refine(
        (all) => isUnique([...ownColumns, ...columnsOf(all).map((each) => each.header)]),
        `uses a header twice, or one that every file has: ${ownColumns.join(", ")}`,
      )
      .describe("The packets' fields in column order, each as a name or as { field, header }."),
    name: z
      .string()
      .regex(/^[\w-]{1,40}$/, "is not a name of at most 40 letters, digits, _ and -")
      .default("hms")
      .describe("The prefix of every file name."),
    encoding: z
      .enum(["utf-8", "utf-8-bom", "windows-1252"])
      .default("utf-8")
      .describe("The encoding. utf-8-bom begins with a byte order mark, so that Excel recognizes UTF-8."),
    delimiter: z.enum([",", ";", "\t", "|"]).default(","),
    lineEnd: z.enum(["crlf", "lf"]).default("crlf"),
    quote: z.enum(["needed", "always"]).default("needed"),
    hostKeys: z
      .array(hostKeySchema)
      .min(1)
      .optional()
      .describe("For sftp: the fingerprints of the server's host keys, as ssh-keygen -l shows them."),
    kmsKey: z
      .string()
      .regex(/^arn:[\w-]+:kms:[\w-]+:\d{12}:key\/[\w-]+$/, "is not the ARN of a KMS key")
      .optional()
      .describe("For s3: the ARN of the key that encrypts the files. Default: the bucket's encryption."),
    pickUp: pickUpSchema(["file:", "sftp:"], "file:///srv/out or sftp://host/out")
      .optional()
      .describe("A folder that is polled every minute for files written by others."),
  })
  .refine(({ to, pickUp, hostKeys }) => !`${to} ${pickUp?.from}`.includes("sftp:") || hostKeys, {
    path: ["hostKeys"],
    error: "is required for sftp; run ssh-keyscan HOST | ssh-keygen -lf - and verify the fingerprints",
  })
  .refine(({ to, pickUp }) => pickUp?.from.replace(/\/$/, "") !== to.replace(/\/$/, ""), {
    path: ["pickUp", "from"],
    error: "is the same folder as to, so the bridge would read its own files",
  })
  .refine(({ columns, encoding }) => encoding !== "windows-1252" || headersFit(columns), {
    path: ["columns"],
    error: "has a header with a character that windows-1252 lacks",
  });

function headersFit(columns: readonly z.output<typeof column>[]): boolean {
  const encode = encoderOf("windows-1252");
  return columnsOf(columns).every((each) => encode(each.header));
}

type Config = z.output<typeof config>;

/**
 * Writes CSV files to a local folder, an S3 bucket or an SFTP server. Each batch becomes one file with a row per
 * packet. In a folder or on a server, the file is written under a temporary name and then renamed.
 *
 * A repeated batch produces the same file. A packet that is repeated in another batch produces a second row, which a
 * reader recognizes by its `packet_id`.
 */
export const connector = defineConnector({
  name: "CsvDropConnector",
  order: "latest",
  idempotent: true,
  deletes: true,
  config,
  secret: loginSchema.optional(),
  // Each concurrent send uses a session of its own at an SFTP server.
  rate: { concurrency: 2 },

  needs(config) {
    const { to, pickUp } = config;
    if (to.startsWith("file:")) return { issue: "to is a local folder; on AWS, give an s3: or sftp: address" };
    if (pickUp?.from.startsWith("file:")) {
      return { issue: "pickUp.from is a local folder; on AWS, give an sftp: address" };
    }
    return { puts: to.startsWith("s3:") ? [s3PlaceOf(config)] : [] };
  },

  async sendBatch(packets, { config, secret, signal }) {
    const encode = encoderOf(charactersOf(config));
    const rows = packets.map((packet) => rowOf(packet, config, encode));
    const valid = rows.filter((row) => "cells" in row);
    const uploaded =
      valid.length > 0 ? await uploaderFor(config, secret).upload(fileOf(valid, config), signal) : undefined;
    return rows.map((row) => ("cells" in row ? (uploaded as Outcome) : refused(row.issue)));
  },

  probe({ config, secret, signal }) {
    return uploaderFor(config, secret).isAwake(signal);
  },

  polls: ({ pickUp }) => pickUp !== undefined,

  async poll({ config, secret, memory, signal }) {
    const { pickUp: form, hostKeys } = config;
    const withFolder = form && folderAt(form.from, hostKeys, secret);
    return withFolder ? pollFolder(withFolder, form, { memory, signal }) : { reason: missingLogin };
  },
});

interface Row {
  readonly packet: Packet;
  readonly cells: string[];
}

/** Returns a packet's row, or the reason why it cannot be written. The reason names fields but contains no values. */
function rowOf(packet: Packet, config: Config, encode: Encode): Row | { readonly issue: string } {
  const columns = columnsOf(config.columns);
  const { fields } = packet;
  const unmapped = Object.keys(fields).find((name) => !columns.some(({ field }) => field === name));
  if (unmapped !== undefined) {
    return { issue: `${unmapped} has no column; add it to columns in the connector's configuration` };
  }
  const changed = columns.filter(({ field }) => Object.hasOwn(fields, field));
  const own = [
    packet.id,
    versionText(packet),
    packet.action,
    packet.entity,
    changed.map((each) => each.header).join("|"),
  ];
  const cells = own.map(escapeFormula);
  if (cells.some((cell) => !encode(cell))) {
    return { issue: `the entity contains a character that ${config.encoding} lacks` };
  }
  for (const { field } of columns) {
    const cell = cellOf(fields[field]);
    if (cell === undefined) return { issue: `${field} is a list or an object, which a cell cannot represent` };
    if (cell.includes("\0")) return { issue: `${field} contains a NUL character` };
    if (!encode(cell)) return { issue: `${field} contains a character that ${config.encoding} lacks` };
    cells.push(cell);
  }
  return { packet, cells };
}

/** Returns the text of a cell. Text that looks like a formula is escaped; a number is not, even if negative. */
function cellOf(value: Json | undefined): string | undefined {
  if (value === undefined || value === null) return "";
  if (typeof value === "object") return undefined;
  return typeof value === "string" ? escapeFormula(value) : String(value);
}

/** Returns a packet's version as text that sorts by age: time, then order of acceptance, then revision. */
function versionText({ version: { time, accepted, revision } }: Packet): string {
  return [new Date(time).toISOString(), String(accepted).padStart(16, "0"), String(revision).padStart(4, "0")].join(
    "/",
  );
}

function charactersOf({ encoding }: Config): "utf-8" | "windows-1252" {
  return encoding === "windows-1252" ? encoding : "utf-8";
}

const byteOrderMark = "\u{feff}";

/**
 * Builds the file of a batch. The same rows give the same file, in any order and at any time.
 *
 * The name contains the acceptance time of the newest packet and the first 16 hex digits of the file's SHA-256.
 */
function fileOf(rows: readonly Row[], config: Config): UploadFile {
  const inOrder = rows.toSorted((a, b) => (a.packet.id < b.packet.id ? -1 : 1)).map(({ cells }) => cells);
  const head = [...ownColumns, ...columnsOf(config.columns).map((each) => each.header)];
  const { delimiter, quote } = config;
  const lineEnd = config.lineEnd === "crlf" ? "\r\n" : "\n";
  const text = csvText([head, ...inOrder], { delimiter, quote, lineEnd });
  const characters = charactersOf(config);
  const bytes = encoderOf(characters)(config.encoding === "utf-8-bom" ? byteOrderMark + text : text) as Buffer;
  const newest = new Date(Math.max(...rows.map(({ packet }) => acceptedAtOf(packet.version))));
  const time = newest.toISOString().replace(/[-:.]/g, "");
  return {
    name: `${config.name}-${time}-${hash("sha256", bytes).slice(0, 16)}.csv`,
    bytes,
    contentType: `text/csv; charset=${characters}; header=present`,
  };
}
