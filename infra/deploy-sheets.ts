import { hash } from "node:crypto";
import {
  type AppConfigClient,
  BadRequestException,
  CreateHostedConfigurationVersionCommand,
  GetDeploymentCommand,
  type GetDeploymentCommandOutput,
  GetHostedConfigurationVersionCommand,
  ListDeploymentsCommand,
  StartDeploymentCommand,
} from "@aws-sdk/client-appconfig";
import type { AppConfigTargets } from "../platform/aws/appconfig-targets.ts";
import { maxSheetAgeMs } from "../platform/aws/sheet-bundle.ts";

/** Interval at which a rollout is polled. */
const lookMs = 3_000;

export interface SheetDeployment {
  readonly client: AppConfigClient;
  readonly places: AppConfigTargets;
  /** The packed set. */
  readonly bytes: Uint8Array;
  /** Not in stages, and with nobody watching. */
  readonly now: boolean;
  /** Called with the progress. */
  readonly tell: (line: string) => void;
  readonly sleep: (ms: number) => Promise<void>;
}

/** Result of the deployment. */
export type DeploymentResult =
  | { readonly kind: "in-force"; readonly version: number; readonly deployment: number }
  /** These very sheets are in force already. */
  | { readonly kind: "unchanged"; readonly version: number }
  /** AppConfig, or a validator, will not have it. */
  | { readonly kind: "refused"; readonly reasons: readonly string[] }
  /** Another rollout is under way. */
  | { readonly kind: "busy"; readonly deployment: number; readonly percent: number }
  /** It was rolled out, and taken back: the sheets before it are in force. */
  | { readonly kind: "rolled-back"; readonly deployment: number; readonly percent: number; readonly reason: string };

const ends = new Set(["COMPLETE", "ROLLED_BACK", "REVERTED"]);

/**
 * Brings a set into force by AppConfig's own calls, and stays until it is, or is not: an event published afterwards is
 * mapped by it.
 *
 * In stages, but for the first set of all: there is nothing yet that a slow rollout would protect.
 */
export async function deploySheets({
  client,
  places,
  bytes,
  now,
  tell,
  sleep,
}: SheetDeployment): Promise<DeploymentResult> {
  const where = { ApplicationId: places.application, EnvironmentId: places.environment };
  const profile = { ApplicationId: places.application, ConfigurationProfileId: places.profile };
  const { Items = [] } = await client.send(new ListDeploymentsCommand({ ...where, MaxResults: 50 }));
  const newestFirst = Items.toSorted((a, b) => (b.DeploymentNumber ?? 0) - (a.DeploymentNumber ?? 0));
  const [newest] = newestFirst;
  if (newest && !ends.has(newest.State ?? "")) {
    return { kind: "busy", deployment: newest.DeploymentNumber ?? 0, percent: newest.PercentageComplete ?? 0 };
  }
  const inForce = newestFirst.find(({ State }) => State === "COMPLETE");
  if (inForce) {
    const version = Number(inForce.ConfigurationVersion);
    const { Content } = await client.send(
      new GetHostedConfigurationVersionCommand({ ...profile, VersionNumber: version }),
    );
    if (Content && Buffer.compare(Content, bytes) === 0) return { kind: "unchanged", version };
  }

  const Description = `sheets ${hash("sha256", bytes).slice(0, 12)}`;
  let version: number;
  let deployment: number;
  try {
    const made = await client.send(
      new CreateHostedConfigurationVersionCommand({
        ...profile,
        Content: bytes,
        ContentType: "application/json",
        Description,
      }),
    );
    version = made.VersionNumber ?? 0;
    const started = await client.send(
      new StartDeploymentCommand({
        ...where,
        ConfigurationProfileId: places.profile,
        ConfigurationVersion: String(version),
        DeploymentStrategyId: now || !inForce ? places.atOnce : places.staged,
        KmsKeyIdentifier: places.key,
        Description,
      }),
    );
    deployment = started.DeploymentNumber ?? 0;
    tell(
      `version ${version} goes out as deployment ${deployment}: ${started.DeploymentDurationInMinutes ?? 0} min in stages, then watched for ${started.FinalBakeTimeInMinutes ?? 0} min`,
    );
  } catch (error) {
    if (error instanceof BadRequestException) return { kind: "refused", reasons: reasonsIn(error) };
    throw error;
  }
  const ended = await watch(
    () => client.send(new GetDeploymentCommand({ ...where, DeploymentNumber: deployment })),
    tell,
    sleep,
  );
  if (ended.State === "COMPLETE") {
    tell(`rolled out; until every mapper has asked for them: ${maxSheetAgeMs / 1_000} s`);
    await sleep(maxSheetAgeMs);
    return { kind: "in-force", version, deployment };
  }
  return { kind: "rolled-back", deployment, percent: reached(ended), reason: whyRolledBack(ended) };
}

async function watch(
  look: () => Promise<GetDeploymentCommandOutput>,
  tell: (line: string) => void,
  sleep: (ms: number) => Promise<void>,
): Promise<GetDeploymentCommandOutput> {
  let last = "";
  for (;;) {
    const seen = await look();
    const line = `${String(seen.PercentageComplete ?? 0).padStart(3)} %  ${(seen.State ?? "").toLowerCase().replace("_", " ")}`;
    if (line !== last) tell(line);
    last = line;
    if (ends.has(seen.State ?? "")) return seen;
    await sleep(lookMs);
  }
}

/** Percentage the rollout had reached. After a rollback AppConfig may not report it any more. */
function reached({ PercentageComplete = 0, EventLog = [] }: GetDeploymentCommandOutput): number {
  const told = EventLog.map(({ Description = "" }) => Number(/([\d.]+)%/.exec(Description)?.[1] ?? 0));
  return Math.max(PercentageComplete, ...told);
}

function whyRolledBack({ EventLog = [] }: GetDeploymentCommandOutput): string {
  const events = EventLog.filter(({ EventType }) => /ROLLBACK|REVERT/.test(EventType ?? ""));
  const begun = events.find(({ EventType }) => EventType === "ROLLBACK_STARTED") ?? events[0];
  const by = { CLOUDWATCH_ALARM: "an alarm", USER: "somebody", APPCONFIG: "AppConfig", INTERNAL_ERROR: "AWS" };
  const who = begun?.TriggeredBy ? by[begun.TriggeredBy] : undefined;
  return [who && `by ${who}`, begun?.Description].filter(Boolean).join(": ") || "AppConfig does not say why";
}

/** Returns AppConfig's objections to a configuration: the validators' words if there are any, else its message. */
function reasonsIn({ message, Details }: BadRequestException): string[] {
  const details = (Details?.InvalidConfiguration ?? []).map(({ Location, Constraint, Reason, Value }) =>
    [Location, Constraint, Reason, Value].filter(Boolean).join(": "),
  );
  return [...new Set([message, ...details])].filter(Boolean);
}
