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
      .regex(/^[\w.#$-]*\{number\}[\w.#$-]*$/, "is not a file name such as HMS{number}.DAT")
      .default("HMS{number}.DAT")
      .describe("The file name pattern."),
    digits: z.int().min(1).max(12).default(6).describe("The number of digits in a file number."),
    first: z
      .int()
      .min(1)
      .default(1)
      .describe("The first file number. Raising it later skips the numbers between; lowering it has no effect."),
    tls: z
      .enum(["explicit", "implicit"])
      .default("explicit")
      .describe("For ftps: TLS after the server's greeting (explicit), or from the first byte (implicit)."),
    ca: z
      .string()
      .min(1)
      .optional()
      .describe("For ftps: the certificate authority of the server in PEM, if the system does not trust it already."),
    hostKeys: z
      .array(hostKeySchema)
      .min(1)
      .optional()
      .describe("For sftp: the fingerprints of the server's host keys, as ssh-keygen -l shows them."),
    insecure: z.boolean().default(false).describe("Allow ftp:, which sends password and files unencrypted."),
    layout: layoutSchema.describe("The layout of a file."),
    pickUp: pickUpSchema(["ftps:", "sftp:", "ftp:"], "ftps://host/outbox or sftp://host/outbox")
      .optional()
      .describe("A folder that is polled every minute for files from the mainframe."),
  })
  .refine((config) => !placesOf(config).some((place) => place.startsWith("sftp:")) || config.hostKeys, {
    path: ["hostKeys"],
    error: "is required for sftp; run ssh-keyscan HOST | ssh-keygen -lf - and verify the fingerprints",
  })
  .refine((config) => !placesOf(config).some((place) => place.startsWith("ftp:")) || config.insecure, {
    path: ["to"],
    error:
      "would send password and files unencrypted; use ftps: or sftp:, or set insecure: true if there is no other way",
  });

type Config = z.output<typeof config>;

function placesOf({ to, pickUp }: { readonly to: string; readonly pickUp?: PickUpConfig | undefined }): string[] {
  return [to, ...(pickUp ? [pickUp.from] : [])];
}

/**
 * Writes numbered flat files to a mainframe's inbox over FTPS or SFTP: one file per packet, in order, with each number
 * used once.
 */
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
    if (!source) return { reason: noPassword };
    return pollFolder((signal, work) => withConnection(source, signal, work), form, { memory, signal });
  },
});

const noPassword = "its secret has no password, which ftp: and ftps: require";

/** Returns the source for an address, or undefined if the address needs a password that the secret does not have. */
function sourceFor(address: string, { hostKeys = [], tls, ca }: Config, login: Login): ConnectionSource | undefined {
  if (address.startsWith("sftp:")) return sftpSource({ ...serverAt(address, 22), hostKeys }, login);
  const { username, password } = login;
  if (password === undefined) return undefined;
  const mode = address.startsWith("ftps:") ? tls : "none";
  return ftpSource({ ...serverAt(address, mode === "implicit" ? 990 : 21), tls: mode, ca }, { username, password });
}
