import * as z from "zod";
import { complianceSettingsSchema } from "../bridge/governance/compliance-engine.ts";
import { s3FolderPattern } from "../functions/env.ts";

/** Returns the schema of an EC2 resource id: `subnet-0a1b2c3d`. */
const idOf = (kind: string) =>
  z.string().regex(new RegExp(`^${kind}-[0-9a-f]{8,17}$`), `is not an id such as ${kind}-0a1b2c3d`);

/** ARN of a key. Aliases are rejected, because a policy that names an alias grants nothing. */
const keyPattern = /^arn:[a-z-]+:kms:[a-z0-9-]+:\d{12}:key\/[\w-]+$/;

const settingsSchema = z.strictObject({
  /** Name prefix of every resource. A second name deploys a second bridge beside the first. */
  name: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,19}$/, "is not a short lowercase name such as hms-bridge")
    .default("hms-bridge"),
  /** Name of an existing bus. If omitted, the bridge creates one. */
  bus: z.string().min(1).optional(),
  /** Retention of HMS events in the archive of the bus, in days. 0 means no archive. */
  archiveDays: z.coerce.number().int().min(0, "is below 0").max(3_653, "is more than ten years").default(30),
  /** Retention of the payloads of closed packets and finished events, in days. */
  payloadRetentionDays: z.coerce.number().int().min(1, "is below 1").max(3_653, "is more than ten years").default(90),
  /** Compliance engine called in addition to `governance.yaml`. Its token is the secret `<name>/governance`. */
  governance: complianceSettingsSchema.optional(),
  /** True to call AWS only at FIPS endpoints. */
  fips: z.stringbool().or(z.boolean()).default(false),
  /** Network of the functions. If omitted, they run in Lambda's own network. */
  vpc: z
    .strictObject({
      subnets: z.array(idOf("subnet")).min(1, "names no subnet"),
      securityGroups: z.array(idOf("sg")).min(1, "names no security group"),
    })
    .optional(),
  /** Name of a managed policy that is the permissions boundary of every role. */
  permissionsBoundary: z
    .string()
    .regex(/^[\w+=,.@/-]+$/, "is not the name of a managed policy (path and name, not the ARN)")
    .optional(),
  logRetentionDays: z.coerce
    .number()
    .refine((days) => [30, 60, 90, 180, 365, 731, 1096, 2192, 3653].includes(days), "is not 30, 60, 90, 180, 365 …")
    .default(365),
  /** Lowest level that functions log. Metrics are counted at any level. */
  logLevel: z.enum(["DEBUG", "INFO", "WARN", "ERROR"]).default("INFO"),
  /** S3 Object Lock mode of the ledger's copies and seals. Not even the root user can shorten a COMPLIANCE lock. */
  ledgerLock: z.enum(["COMPLIANCE", "GOVERNANCE"]).default("COMPLIANCE"),
  /** Retention period of the lock, in days. */
  ledgerRetentionDays: z.coerce.number().int().min(1).max(36_500).default(2_557),
  /** S3 folders from which files named by events may be read. */
  places: z.array(z.string().regex(s3FolderPattern, "is not a folder URL such as s3://bucket/rosters/")).default([]),
  /** Customer managed keys that encrypt the files in these folders. */
  placeKeys: z
    .array(z.string().regex(keyPattern, "is not the ARN of a key such as arn:aws-us-gov:kms:…:key/…"))
    .default([]),
  /** Configuration by connector id or name. The connector's own schema checks it. */
  connectors: z.record(z.string(), z.record(z.string(), z.unknown())).default({}),
});

export type Settings = z.output<typeof settingsSchema>;

/**
 * Reads the settings of a deployment from `cdk.json` and `--context`.
 *
 * @param context returns the value of a context key
 * @throws {Error} if a setting is invalid; names the key and the issue
 */
export function readSettings(context: (key: string) => unknown): Settings {
  const values = Object.keys(settingsSchema.shape).flatMap((key) => {
    const value = context(key);
    return value === undefined ? [] : [[key, value]];
  });
  const parsed = settingsSchema.safeParse(Object.fromEntries(values));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new Error(`the CDK context, ${issue?.path.join(".")}: ${issue?.message}`);
}
