import * as z from "zod";
import { complianceSettingsSchema } from "../bridge/governance/compliance-engine.ts";
import { s3FolderPattern } from "../functions/env.ts";

/** A network id as EC2 gives it: `subnet-0a1b2c3d`. */
const idOf = (kind: string) =>
  z.string().regex(new RegExp(`^${kind}-[0-9a-f]{8,17}$`), `is not an id such as ${kind}-0a1b2c3d`);

/** The ARN of a key itself: a policy that names an alias allows nothing. */
const keyPattern = /^arn:[a-z-]+:kms:[a-z0-9-]+:\d{12}:key\/[\w-]+$/;

const settingsSchema = z.strictObject({
  /** The name everything begins with; another name is another bridge beside this one. */
  name: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,19}$/, "is not a short name in lower case such as hms-bridge")
    .default("hms-bridge"),
  /** The name of a bus that exists already. Absent: the bridge makes one. */
  bus: z.string().min(1).optional(),
  /** Retention of HMS events in the bus archive, in days. 0: no archive. */
  archiveDays: z.coerce.number().int().min(0, "is below 0").max(3_653, "is more than ten years").default(30),
  /** Retention of the payloads of closed packets and finished events. */
  payloadRetentionDays: z.coerce.number().int().min(1, "is below 1").max(3_653, "is more than ten years").default(90),
  /** The compliance engine that is asked besides `governance.yaml`; its token is the secret `<name>/governance`. */
  governance: complianceSettingsSchema.optional(),
  /** Call AWS only at FIPS endpoints. */
  fips: z.stringbool().or(z.boolean()).default(false),
  /** Network of the functions. Absent: Lambda's own network. */
  vpc: z
    .strictObject({
      subnets: z.array(idOf("subnet")).min(1, "names no subnet"),
      securityGroups: z.array(idOf("sg")).min(1, "names no security group"),
    })
    .optional(),
  /** The name of a managed policy that bounds every role. */
  permissionsBoundary: z
    .string()
    .regex(/^[\w+=,.@/-]+$/, "is not the name of a managed policy, with its path and without its ARN")
    .optional(),
  logRetentionDays: z.coerce
    .number()
    .refine((days) => [30, 60, 90, 180, 365, 731, 1096, 2192, 3653].includes(days), "is not 30, 60, 90, 180, 365 …")
    .default(365),
  /** From here on functions log; what they count is counted in any case. */
  logLevel: z.enum(["DEBUG", "INFO", "WARN", "ERROR"]).default("INFO"),
  /** S3 Object Lock mode of the ledger's copies and seals. COMPLIANCE: not even the account's root can shorten it. */
  ledgerLock: z.enum(["COMPLIANCE", "GOVERNANCE"]).default("COMPLIANCE"),
  /** Retention period of the lock. */
  ledgerRetentionDays: z.coerce.number().int().min(1).max(36_500).default(2_557),
  /** Buckets, or folders in them, from which files named by events may be read. */
  places: z.array(z.string().regex(s3FolderPattern, "is not a folder URL such as s3://bucket/rosters/")).default([]),
  /** Keys of the agency's own that files there are encrypted with. */
  placeKeys: z
    .array(z.string().regex(keyPattern, "is not the ARN of a key such as arn:aws-us-gov:kms:…:key/…"))
    .default([]),
  /** A connector's id or name to its configuration; the connector's own schema checks it. */
  connectors: z.record(z.string(), z.record(z.string(), z.unknown())).default({}),
});

export type Settings = z.output<typeof settingsSchema>;

/**
 * Settings of a deployment, from `cdk.json` or `--context`.
 *
 * @param context by key
 * @throws with the key and its fault
 */
export function readSettings(context: (key: string) => unknown): Settings {
  const given = Object.keys(settingsSchema.shape).flatMap((key) => {
    const value = context(key);
    return value === undefined ? [] : [[key, value]];
  });
  const parsed = settingsSchema.safeParse(Object.fromEntries(given));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new Error(`the CDK context, ${issue?.path.join(".")}: ${issue?.message}`);
}
