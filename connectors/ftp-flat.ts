import * as z from "zod";
import { defineConnector } from "../bridge/model/connector.ts";
import { retry } from "../bridge/model/outcome.ts";
import { type ConnectionSource, withConnection } from "./protocols/files/connection-pool.ts";
import { layoutSchema } from "./protocols/files/flat-file-layout.ts";
import { FolderError } from "./protocols/files/folder.ts";
import { addressSchema, serverAt } from "./protocols/files/folder-address.ts";
import { ftpSource } from "./protocols/files/ftps.ts";
import { uploadNumbered } from "./protocols/files/numbered-upload.ts";
import { type PickUpConfig, pickUpSchema, pollFolder } from "./protocols/files/poll-folder.ts";
import { hostKeySchema, type Login, loginSchema, sftpSource } from "./protocols/files/sftp.ts";

const examples = "ftps://host/inbox or sftp://host/inbox";

const config = z
  .strictObject({
    to: addressSchema(["ftps:", "sftp:", "ftp:"], examples).describe(`The mainframe's inbox: ${examples}.`),
    file: z
      .string()
      .regex(/^[\w.#$-]*\{number\}[\w.#$-]*$/, "is no file name such as HMS{number}.DAT")
      .default("HMS{number}.DAT")
      .describe("What files are called."),
    digits: z.int().min(1).max(12).default(6).describe("How many digits their numbers have."),
    first: z
      .int()
      .min(1)
      .default(1)
      .describe("The first number. Raised later, it passes over those between; lowered, it changes nothing."),
    tls: z
      .enum(["explicit", "implicit"])
      .default("explicit")
      .describe("ftps: from the greeting on, or from the first byte."),
    ca: z
      .string()
      .min(1)
      .optional()
      .describe("ftps: the authority of the server's certificate in PEM, if it is the agency's own."),
    hostKeys: z
      .array(hostKeySchema)
      .min(1)
      .optional()
      .describe("sftp: the fingerprints of the server's host keys, as ssh-keygen -l shows them."),
    insecure: z.boolean().default(false).describe("Whether ftp: may send password and files in the clear."),
    layout: layoutSchema.describe("What stands where in a file."),
    pickUp: pickUpSchema(["ftps:", "sftp:", "ftp:"], "ftps://host/outbox or sftp://host/outbox")
      .optional()
      .describe("A folder that is looked into every minute, for files that the mainframe puts there."),
  })
  .refine((config) => !placesOf(config).some((place) => place.startsWith("sftp:")) || config.hostKeys, {
    path: ["hostKeys"],
    error: "is missing, and sftp needs it: what ssh-keyscan HOST | ssh-keygen -lf - shows, once you have compared it",
  })
  .refine((config) => !placesOf(config).some((place) => place.startsWith("ftp:")) || config.insecure, {
    path: ["to"],
    error:
      "would send password and files in the clear; say ftps: or sftp:, or insecure: true where there is no other way",
  });

type Config = z.output<typeof config>;

function placesOf({ to, pickUp }: { readonly to: string; readonly pickUp?: PickUpConfig | undefined }): string[] {
  return [to, ...(pickUp ? [pickUp.from] : [])];
}

/** Writes numbered flat files to a mainframe's inbox over FTPS or SFTP: one file per packet, in order, each number used once. */
export const connector = defineConnector({
  name: "FtpFlatConnector",
  order: "strict",
  lane: "connector",
  idempotent: true,
  deletes: true,
  config,
  secret: loginSchema,
  rate: { concurrency: 1 },

  async send(packet, { config, secret, memory, signal }) {
    const source = sourceFor(config.to, config, secret);
    if (!source) return retry(noPassword, { code: "setup", mayHaveLanded: false });
    return uploadNumbered(packet, config, memory, (work) => withConnection(source, signal, work));
  },

  async probe({ config, secret, signal }) {
    const source = sourceFor(config.to, config, secret);
    if (!source) return false;
    try {
      await withConnection(source, signal, (folder) => folder.check());
      return true;
    } catch (error) {
      if (error instanceof FolderError) return false;
      throw error;
    }
  },

  polls: ({ pickUp }) => pickUp !== undefined,

  async poll({ config, secret, memory, signal }) {
    const { pickUp: form } = config;
    const source = form && sourceFor(form.from, config, secret);
    if (!source) return { fault: noPassword };
    return pollFolder((signal, work) => withConnection(source, signal, work), form, { memory, signal });
  },
});

const noPassword = "its secret has no password, which ftp needs";

/** Returns the source for an address, or undefined if the address needs a password that the secret does not have. */
function sourceFor(address: string, { hostKeys = [], tls, ca }: Config, login: Login): ConnectionSource | undefined {
  if (address.startsWith("sftp:")) return sftpSource({ ...serverAt(address, 22), hostKeys }, login);
  const { username, password } = login;
  if (password === undefined) return undefined;
  const way = address.startsWith("ftps:") ? tls : "none";
  return ftpSource({ ...serverAt(address, way === "implicit" ? 990 : 21), tls: way, ca }, { username, password });
}
