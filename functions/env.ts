import * as z from "zod";
import { complianceSettingsSchema } from "../bridge/governance/compliance-engine.ts";

const json = z.transform((text: string, check): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    check.issues.push({ code: "custom", message: "is not JSON", input: text });
    return z.NEVER;
  }
});

/** What every function is told. */
const everyEnv = {
  /** The name everything of this deployment begins with. */
  DEPLOYMENT: z.string().min(1),
  /** From here on lines are logged; what they count is counted in any case. */
  LOG_LEVEL: z.enum(["DEBUG", "INFO", "WARN", "ERROR"]).default("INFO"),
  /** The AWS SDK's own switch. Source: AWS SDKs reference, "FIPS endpoints". */
  AWS_USE_FIPS_ENDPOINT: z.literal("true").optional(),
  /** The ARN of the bus that alerts are told on. Absent where a function has none to tell. */
  BUS: z.string().startsWith("arn:").optional(),
};

/** What it takes to reach the tables and queues. */
const placesEnv = {
  ...everyEnv,
  PACKETS_TABLE: z.string().min(1),
  LEDGER_TABLE: z.string().min(1),
  /** `https://sqs.us-gov-west-1.amazonaws.com/123456789012/` */
  QUEUES_URL: z.url().endsWith("/"),
  /** `arn:…:sqs:us-gov-west-1:123456789012:` */
  QUEUES_ARN: z.string().startsWith("arn:").endsWith(":"),
};

/** What every function of the path is told about its deployment. */
const pathEnv = {
  ...placesEnv,
  /** The secret that holds the key which hides entities and values in hashes. */
  BRIDGE_KEY: z.string().min(1),
  BUS: z.string().startsWith("arn:"),
};

/** A bucket, or a folder of it. Source: Amazon S3 User Guide, "Bucket naming rules"; no letter a policy reads as a pattern. */
export const placePattern = /^s3:\/\/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]\/(?:[\w!.'()+=@:, -]+\/)*$/;

const mapperEnvSchema = z.object({
  ...pathEnv,
  /** Where files may be read from that events name: `["s3://bucket/rosters/"]`. */
  PLACES: z
    .string()
    .default("[]")
    .pipe(json)
    .pipe(z.array(z.string().regex(placePattern, "is no place such as s3://bucket/rosters/"))),
  /** How long what packets and events carry is kept, once they are over. */
  PAYLOAD_RETENTION_DAYS: z.coerce.number<string>().int().positive().default(90),
  /** The compliance engine that is asked besides the policy: `{"url":"https://…"}`. Absent: there is none. */
  GOVERNANCE: z.string().pipe(json).pipe(complianceSettingsSchema).optional(),
});

const connectorEnvSchema = z.object({
  ...pathEnv,
  /** The connector's configuration as a JSON object; its own schema checks it. */
  CONFIG: z.string().pipe(json),
});

const inboundEnvSchema = z.object(placesEnv);

const ledgerCopyEnvSchema = z.object({
  ...everyEnv,
  /** The bucket that keeps copies and seals. */
  LEDGER_BUCKET: z.string().min(1),
});

const ledgerSealEnvSchema = ledgerCopyEnvSchema.extend({
  /** The AWS KMS key that seals are signed with. */
  SEAL_KEY: z.string().min(1),
});

/** As the constructs write it. */
export type MapperEnvironment = z.input<typeof mapperEnvSchema>;
export type ConnectorEnvironment = z.input<typeof connectorEnvSchema>;
export type LedgerCopyEnvironment = z.input<typeof ledgerCopyEnvSchema>;
export type LedgerSealEnvironment = z.input<typeof ledgerSealEnvSchema>;

/** As the functions read it. */
export type PathEnv = Omit<MapperEnv, "PLACES" | "PAYLOAD_RETENTION_DAYS" | "GOVERNANCE">;
export type MapperEnv = z.output<typeof mapperEnvSchema>;
export type ConnectorEnv = z.output<typeof connectorEnvSchema>;
export type InboundEnv = z.output<typeof inboundEnvSchema>;
export type EveryEnv = Pick<InboundEnv, keyof typeof everyEnv>;

/** @throws with the variable and its fault, never its value */
export function readMapperEnv(env: NodeJS.ProcessEnv): MapperEnv {
  return read(mapperEnvSchema, env);
}

/** @throws with the variable and its fault, never its value */
export function readConnectorEnv(env: NodeJS.ProcessEnv): ConnectorEnv {
  return read(connectorEnvSchema, env);
}

/** @throws with the variable and its fault, never its value */
export function readInboundEnv(env: NodeJS.ProcessEnv): InboundEnv {
  return read(inboundEnvSchema, env);
}

/** @throws with the variable and its fault, never its value */
export function readLedgerCopyEnv(env: NodeJS.ProcessEnv): z.output<typeof ledgerCopyEnvSchema> {
  return read(ledgerCopyEnvSchema, env);
}

/** @throws with the variable and its fault, never its value */
export function readLedgerSealEnv(env: NodeJS.ProcessEnv): z.output<typeof ledgerSealEnvSchema> {
  return read(ledgerSealEnvSchema, env);
}

function read<T>(schema: z.ZodType<T>, env: NodeJS.ProcessEnv): T {
  const parsed = schema.safeParse(env);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new Error(`the environment variable ${issue?.path.join(".")}: ${issue?.message}; deploy the path stack again`);
}

/** Where an engine finds what is its own. */
export function ownIn(env: PathEnv) {
  return { ...placesIn(env), bridgeKey: env.BRIDGE_KEY };
}

/** Where the tables and queues are. */
export function placesIn(env: InboundEnv) {
  return {
    deployment: env.DEPLOYMENT,
    packetsTable: env.PACKETS_TABLE,
    ledgerTable: env.LEDGER_TABLE,
    queuesUrl: env.QUEUES_URL,
    queuesArn: env.QUEUES_ARN,
  };
}
