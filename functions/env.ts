import * as z from "zod";
import { complianceSettingsSchema } from "../bridge/governance/compliance-engine.ts";

const json = z.transform((text: string, check): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    check.issues.push({ code: "custom", message: "is not valid JSON", input: text });
    return z.NEVER;
  }
});

/** Environment variables of every function. */
const everyEnv = {
  /** Name of the deployment, which prefixes every resource name. */
  DEPLOYMENT: z.string().min(1),
  /** Lowest level that is logged. Metrics are counted at any level. */
  LOG_LEVEL: z.enum(["DEBUG", "INFO", "WARN", "ERROR"]).default("INFO"),
  /** Read by the AWS SDK itself. Source: AWS SDKs reference, "FIPS endpoints". */
  AWS_USE_FIPS_ENDPOINT: z.literal("true").optional(),
  /** ARN of the bus that alerts are published to. Absent if a function raises no alerts. */
  BUS: z.string().startsWith("arn:").optional(),
};

/** Environment variables that locate the tables and queues. */
const resourcesEnv = {
  ...everyEnv,
  PACKETS_TABLE: z.string().min(1),
  LEDGER_TABLE: z.string().min(1),
  /** `https://sqs.us-gov-west-1.amazonaws.com/123456789012/` */
  QUEUES_URL: z.url().endsWith("/"),
  /** `arn:…:sqs:us-gov-west-1:123456789012:` */
  QUEUES_ARN: z.string().startsWith("arn:").endsWith(":"),
};

/** Environment variables of every function on the path from event to target. */
const pathEnv = {
  ...resourcesEnv,
  /** Name of the secret that holds the key for hashing entities and values. */
  BRIDGE_KEY: z.string().min(1),
  BUS: z.string().startsWith("arn:"),
};

/**
 * Matches the URL of a bucket or of a folder in it. Excludes characters that IAM policies read as wildcards.
 *
 * Source: Amazon S3 User Guide, "Bucket naming rules".
 */
export const s3FolderPattern = /^s3:\/\/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]\/(?:[\w!.'()+=@:, -]+\/)*$/;

const mapperEnvSchema = z.object({
  ...pathEnv,
  /** Folders from which the bridge may read the files that events name: `["s3://bucket/rosters/"]`. */
  PLACES: z
    .string()
    .default("[]")
    .pipe(json)
    .pipe(z.array(z.string().regex(s3FolderPattern, "is not a folder URL such as s3://bucket/rosters/"))),
  /** Days that the payloads of closed packets and finished events are kept. */
  PAYLOAD_RETENTION_DAYS: z.coerce.number<string>().int().positive().default(90),
  /** External compliance engine to consult in addition to the policy: `{"url":"https://…"}`. Absent if there is none. */
  GOVERNANCE: z.string().pipe(json).pipe(complianceSettingsSchema).optional(),
});

const connectorEnvSchema = z.object({
  ...pathEnv,
  /** The connector's configuration as a JSON object; its own schema checks it. */
  CONFIG: z.string().pipe(json),
});

const inboundEnvSchema = z.object(resourcesEnv);

const ledgerCopyEnvSchema = z.object({
  ...everyEnv,
  /** Bucket that holds the ledger's copies and seals. */
  LEDGER_BUCKET: z.string().min(1),
});

const ledgerSealEnvSchema = ledgerCopyEnvSchema.extend({
  /** AWS KMS key that signs the seals. */
  SEAL_KEY: z.string().min(1),
});

/** Environments before parsing, in the form the CDK constructs write. */
export type MapperEnvironment = z.input<typeof mapperEnvSchema>;
export type ConnectorEnvironment = z.input<typeof connectorEnvSchema>;
export type LedgerCopyEnvironment = z.input<typeof ledgerCopyEnvSchema>;
export type LedgerSealEnvironment = z.input<typeof ledgerSealEnvSchema>;

/** Environments after parsing, in the form the functions use. */
export type PathEnv = Omit<MapperEnv, "PLACES" | "PAYLOAD_RETENTION_DAYS" | "GOVERNANCE">;
export type MapperEnv = z.output<typeof mapperEnvSchema>;
export type ConnectorEnv = z.output<typeof connectorEnvSchema>;
export type InboundEnv = z.output<typeof inboundEnvSchema>;
export type EveryEnv = Pick<InboundEnv, keyof typeof everyEnv>;

/** @throws {Error} if a variable is missing or invalid; names the variable and the problem, never its value */
export function readMapperEnv(env: NodeJS.ProcessEnv): MapperEnv {
  return read(mapperEnvSchema, env);
}

/** @throws {Error} if a variable is missing or invalid; names the variable and the problem, never its value */
export function readConnectorEnv(env: NodeJS.ProcessEnv): ConnectorEnv {
  return read(connectorEnvSchema, env);
}

/** @throws {Error} if a variable is missing or invalid; names the variable and the problem, never its value */
export function readInboundEnv(env: NodeJS.ProcessEnv): InboundEnv {
  return read(inboundEnvSchema, env);
}

/** @throws {Error} if a variable is missing or invalid; names the variable and the problem, never its value */
export function readLedgerCopyEnv(env: NodeJS.ProcessEnv): z.output<typeof ledgerCopyEnvSchema> {
  return read(ledgerCopyEnvSchema, env);
}

/** @throws {Error} if a variable is missing or invalid; names the variable and the problem, never its value */
export function readLedgerSealEnv(env: NodeJS.ProcessEnv): z.output<typeof ledgerSealEnvSchema> {
  return read(ledgerSealEnvSchema, env);
}

function read<T>(schema: z.ZodType<T>, env: NodeJS.ProcessEnv): T {
  const parsed = schema.safeParse(env);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new Error(`the environment variable ${issue?.path.join(".")}: ${issue?.message}; deploy the path stack again`);
}

/** Returns the resource names that an engine needs, including the secret of its key. */
export function engineResourcesIn(env: PathEnv) {
  return { ...resourcesIn(env), bridgeKey: env.BRIDGE_KEY };
}

/** Returns the names of the tables and queues. */
export function resourcesIn(env: InboundEnv) {
  return {
    deployment: env.DEPLOYMENT,
    packetsTable: env.PACKETS_TABLE,
    ledgerTable: env.LEDGER_TABLE,
    queuesUrl: env.QUEUES_URL,
    queuesArn: env.QUEUES_ARN,
  };
}
