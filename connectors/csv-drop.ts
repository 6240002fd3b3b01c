import { hash } from "node:crypto";
import * as z from "zod";
import { defineConnector } from "../bridge/model/connector.ts";
import { type Outcome, refused } from "../bridge/model/outcome.ts";
import type { Packet } from "../bridge/model/packet.ts";
import type { Json } from "../bridge/values/json.ts";
import { csvText, escapeFormula } from "./protocols/files/csv.ts";
import { addressSchema } from "./protocols/files/folder-address.ts";
import { pickUpSchema, pollFolder } from "./protocols/files/poll-folder.ts";
import { hostKeySchema, loginSchema } from "./protocols/files/sftp.ts";
import { type Encode, encoderOf } from "./protocols/files/text-encoding.ts";
import { folderAt, missingLogin, s3PlaceOf, type UploadFile, uploaderFor } from "./protocols/files/upload.ts";

/** The columns every row begins with: what its reader needs to take it once, and in order. */
const ownColumns = ["packet_id", "version", "action", "entity", "fields"] as const;

const header = z.string().regex(/^[^\p{Cc}|]{1,128}$/u, "is empty, too long, or holds a control character or |");

const column = z.union([
  header,
  z.strictObject({
    field: z.string().min(1).describe("The packet's field, as the sheet maps it."),
    header: header.describe("What the column is called."),
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

/** Buckets by their naming rules, and folders with no letter that a policy reads as a pattern. */
const s3Pattern = /^s3:\/\/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?:\/[\w!.'()+=@:, -]+)*\/?$/;

const config = z
  .strictObject({
    to: addressSchema(["file:", "s3:", "sftp:"], examples)
      .refine((text) => !text.startsWith("s3:") || s3Pattern.test(text), "is no place such as s3://bucket/drop/")
      .describe(`The folder: ${examples}.`),
    columns: z
      .array(column)
      .min(1)
      .refine((all) => isUnique(columnsOf(all).map(({ field }) => field)), "names a field twice")
      .refine(
        (all) => isUnique([...ownColumns, ...columnsOf(all).map((each) => each.header)]),
        `has a header twice, or one that every file has: ${ownColumns.join(", ")}`,
      )
      .describe("The packets' fields, in the order of their columns: names, or { field, header }."),
    name: z
      .string()
      .regex(/^[\w-]{1,40}$/, "is no short name of letters, digits, _ and -")
      .default("hms")
      .describe("What every file's name begins with."),
    encoding: z
      .enum(["utf-8", "utf-8-bom", "windows-1252"])
      .default("utf-8")
      .describe("utf-8-bom begins with a byte order mark, by which Excel knows UTF-8."),
    delimiter: z.enum([",", ";", "\t", "|"]).default(","),
    lineEnd: z.enum(["crlf", "lf"]).default("crlf"),
    quote: z.enum(["needed", "always"]).default("needed"),
    hostKeys: z
      .array(hostKeySchema)
      .min(1)
      .optional()
      .describe("sftp: the fingerprints of the server's host keys, as ssh-keygen -l shows them."),
    kmsKey: z
      .string()
      .regex(/^arn:[\w-]+:kms:[\w-]+:\d{12}:key\/[\w-]+$/, "is no ARN of a KMS key")
      .optional()
      .describe("s3: the key to encrypt with, where it is not Amazon's own."),
    pickUp: pickUpSchema(["file:", "sftp:"], "file:///srv/out or sftp://host/out")
      .optional()
      .describe("A folder that is looked into every minute, for files that others put there."),
  })
  .refine(({ to, pickUp, hostKeys }) => !`${to} ${pickUp?.from}`.includes("sftp:") || hostKeys, {
    path: ["hostKeys"],
    error: "is missing, and sftp needs it: what ssh-keyscan HOST | ssh-keygen -lf - shows, once you have compared it",
  })
  .refine(({ to, pickUp }) => pickUp?.from.replace(/\/$/, "") !== to.replace(/\/$/, ""), {
    path: ["pickUp", "from"],
    error: "is the folder that files are dropped into: the bridge would read what it has written",
  })
  .refine(({ columns, encoding }) => encoding !== "windows-1252" || headersFit(columns), {
    path: ["columns"],
    error: "has a header with a character that windows-1252 does not have",
  });

function headersFit(columns: readonly z.output<typeof column>[]): boolean {
  const encode = encoderOf("windows-1252");
  return columnsOf(columns).every((each) => encode(each.header));
}

type Config = z.output<typeof config>;

/**
 * CSV files in a folder, in a bucket or on an SFTP server: one a batch, written aside and renamed, with a row a packet.
 *
 * A repeat of the same batch makes the same file. A packet that comes again in another batch makes a second row of the
 * same `packet_id`, by which a reader knows it.
 */
export const connector = defineConnector({
  name: "CsvDropConnector",
  order: "latest",
  idempotent: true,
  deletes: true,
  config,
  secret: loginSchema.optional(),
  // One session at an SFTP server each.
  rate: { concurrency: 2 },

  needs(config) {
    const { to, pickUp } = config;
    if (to.startsWith("file:")) return { fault: "to is a folder of one machine; on AWS say s3: or sftp:" };
    if (pickUp?.from.startsWith("file:")) {
      return { fault: "pickUp.from is a folder of one machine; on AWS say sftp:" };
    }
    return { puts: to.startsWith("s3:") ? [s3PlaceOf(config)] : [] };
  },

  async sendBatch(packets, { config, secret, signal }) {
    const encode = encoderOf(charactersOf(config));
    const rows = packets.map((packet) => rowOf(packet, config, encode));
    const good = rows.filter((row) => row.ok);
    const dropped =
      good.length > 0 ? await uploaderFor(config, secret).upload(fileOf(good, config), signal) : undefined;
    return rows.map((row) => (row.ok ? (dropped as Outcome) : refused(row.fault)));
  },

  probe({ config, secret, signal }) {
    return uploaderFor(config, secret).isAwake(signal);
  },

  polls: ({ pickUp }) => pickUp !== undefined,

  async poll({ config, secret, memory, signal }) {
    const { pickUp: form, hostKeys } = config;
    const withFolder = form && folderAt(form.from, hostKeys, secret);
    return withFolder ? pollFolder(withFolder, form, { memory, signal }) : { fault: missingLogin };
  },
});

type Row = { readonly ok: true; readonly packet: Packet; readonly cells: string[] };

/** A packet's row, or why it has none: a fault names fields, and never what is in them. */
function rowOf(packet: Packet, config: Config, encode: Encode): Row | { readonly ok: false; readonly fault: string } {
  const columns = columnsOf(config.columns);
  const { fields } = packet;
  const stray = Object.keys(fields).find((name) => !columns.some(({ field }) => field === name));
  if (stray !== undefined) {
    return { ok: false, fault: `${stray} has no column; add it to columns in the connector's configuration` };
  }
  const given = columns.filter(({ field }) => Object.hasOwn(fields, field));
  const own = [
    packet.id,
    versionText(packet),
    packet.action,
    packet.entity,
    given.map((each) => each.header).join("|"),
  ];
  const cells = own.map(escapeFormula);
  if (cells.some((cell) => !encode(cell)))
    return { ok: false, fault: `the entity cannot be said in ${config.encoding}` };
  for (const { field } of columns) {
    const cell = cellOf(fields[field]);
    if (cell === undefined) return { ok: false, fault: `${field} is a list or an object, and a cell holds one value` };
    if (cell.includes("\0")) return { ok: false, fault: `${field} holds a NUL character` };
    if (!encode(cell)) return { ok: false, fault: `${field} holds a character that ${config.encoding} does not have` };
    cells.push(cell);
  }
  return { ok: true, packet, cells };
}

/** A number stays one, below zero too; a text that begins like a formula does not. */
function cellOf(value: Json | undefined): string | undefined {
  if (value === undefined || value === null) return "";
  if (typeof value === "object") return undefined;
  return typeof value === "string" ? escapeFormula(value) : String(value);
}

/** Of two rows of one entity the one with the later text is the newer: time, order of acceptance, revision. */
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
 * The one file of these rows, whatever order they came in and whenever it is made.
 *
 * Its name says when the newest of its changes was accepted, and what is in it: the first 16 hex characters of its
 * SHA-256, which stand for its packet ids too.
 */
function fileOf(rows: readonly Row[], config: Config): UploadFile {
  const inOrder = rows.toSorted((a, b) => (a.packet.id < b.packet.id ? -1 : 1)).map(({ cells }) => cells);
  const head = [...ownColumns, ...columnsOf(config.columns).map((each) => each.header)];
  const { delimiter, quote } = config;
  const lineEnd = config.lineEnd === "crlf" ? "\r\n" : "\n";
  const text = csvText([head, ...inOrder], { delimiter, quote, lineEnd });
  const characters = charactersOf(config);
  const bytes = encoderOf(characters)(config.encoding === "utf-8-bom" ? byteOrderMark + text : text) as Buffer;
  const newest = new Date(Math.max(...rows.map(({ packet }) => Math.floor(packet.version.accepted / 1_000))));
  const time = newest.toISOString().replace(/[-:.]/g, "");
  return {
    name: `${config.name}-${time}-${hash("sha256", bytes).slice(0, 16)}.csv`,
    bytes,
    contentType: `text/csv; charset=${characters}; header=present`,
  };
}
