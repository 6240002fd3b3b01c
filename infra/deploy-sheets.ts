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

/** Polling interval during a rollout. */
const pollMs = 3_000;

export interface SheetDeployment {
  readonly client: AppConfigClient;
  readonly targets: AppConfigTargets;
  /** The serialized sheet bundle. */
  readonly bytes: Uint8Array;
  /** True to deploy to all mappers at once, without stages or alarms that could roll the bundle back. */
  readonly now: boolean;
  /** Called with each line of progress. */
  readonly log: (line: string) => void;
  readonly sleep: (ms: number) => Promise<void>;
}

/** Outcome of a sheet deployment. */
export type DeploymentResult =
  | { readonly kind: "in-force"; readonly version: number; readonly deployment: number }
  /** The same sheets are already in force. */
  | { readonly kind: "unchanged"; readonly version: number }
  /** AppConfig or a validator rejected the bundle. */
  | { readonly kind: "refused"; readonly reasons: readonly string[] }
  /** Another rollout is in progress. */
  | { readonly kind: "busy"; readonly deployment: number; readonly percent: number }
  /** The rollout was reverted. The previous sheets are in force. */
  | { readonly kind: "rolled-back"; readonly deployment: number; readonly percent: number; readonly reason: string };

const finalStates = new Set(["COMPLETE", "ROLLED_BACK", "REVERTED"]);

/**
 * Deploys a sheet bundle with AppConfig and waits until the rollout ends. Once the bundle is in force, it maps all
 * events published from then on.
 *
 * Rolls out in stages. The first bundle is deployed at once, because no sheets are in force that need protection.
 */
export async function deploySheets({
  client,
  targets,
  bytes,
  now,
  log,
  sleep,
}: SheetDeployment): Promise<DeploymentResult> {
  const environment = { ApplicationId: targets.application, EnvironmentId: targets.environment };
  const profile = { ApplicationId: targets.application, ConfigurationProfileId: targets.profile };
  const { Items = [] } = await client.send(new ListDeploymentsCommand({ ...environment, MaxResults: 50 }));
  const newestFirst = Items.toSorted((a, b) => (b.DeploymentNumber ?? 0) - (a.DeploymentNumber ?? 0));
  const [newest] = newestFirst;
  if (newest && !finalStates.has(newest.State ?? "")) {
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
    const created = await client.send(
      new CreateHostedConfigurationVersionCommand({
        ...profile,
        Content: bytes,
        ContentType: "application/json",
        Description,
      }),
    );
    version = created.VersionNumber ?? 0;
    const started = await client.send(
      new StartDeploymentCommand({
        ...environment,
        ConfigurationProfileId: targets.profile,
        ConfigurationVersion: String(version),
        DeploymentStrategyId: now || !inForce ? targets.atOnce : targets.staged,
        KmsKeyIdentifier: targets.key,
        Description,
      }),
    );
    deployment = started.DeploymentNumber ?? 0;
    log(
      `deploying version ${version} as deployment ${deployment}: ${started.DeploymentDurationInMinutes ?? 0} min in stages, then monitored for ${started.FinalBakeTimeInMinutes ?? 0} min`,
    );
  } catch (error) {
    if (error instanceof BadRequestException) return { kind: "refused", reasons: reasonsIn(error) };
    throw error;
  }
  const ended = await waitForEnd(
    () => client.send(new GetDeploymentCommand({ ...environment, DeploymentNumber: deployment })),
    log,
    sleep,
  );
  if (ended.State === "COMPLETE") {
    log(`rolled out; waiting ${maxSheetAgeMs / 1_000} s until every mapper has fetched the sheets`);
    await sleep(maxSheetAgeMs);
    return { kind: "in-force", version, deployment };
  }
  return { kind: "rolled-back", deployment, percent: reachedPercent(ended), reason: rollbackReason(ended) };
}

async function waitForEnd(
  poll: () => Promise<GetDeploymentCommandOutput>,
  log: (line: string) => void,
  sleep: (ms: number) => Promise<void>,
): Promise<GetDeploymentCommandOutput> {
  let previous = "";
  for (;;) {
    const current = await poll();
    const line = `${String(current.PercentageComplete ?? 0).padStart(3)} %  ${(current.State ?? "").toLowerCase().replace("_", " ")}`;
    if (line !== previous) log(line);
    previous = line;
    if (finalStates.has(current.State ?? "")) return current;
    await sleep(pollMs);
  }
}

/** Returns the highest percentage of the rollout. After a rollback AppConfig reports it only in the event log. */
function reachedPercent({ PercentageComplete = 0, EventLog = [] }: GetDeploymentCommandOutput): number {
  const logged = EventLog.map(({ Description = "" }) => Number(/([\d.]+)%/.exec(Description)?.[1] ?? 0));
  return Math.max(PercentageComplete, ...logged);
}

function rollbackReason({ EventLog = [] }: GetDeploymentCommandOutput): string {
  const events = EventLog.filter(({ EventType }) => /ROLLBACK|REVERT/.test(EventType ?? ""));
  const rollback = events.find(({ EventType }) => EventType === "ROLLBACK_STARTED") ?? events[0];
  const triggers = { CLOUDWATCH_ALARM: "an alarm", USER: "a user", APPCONFIG: "AppConfig", INTERNAL_ERROR: "AWS" };
  const trigger = rollback?.TriggeredBy ? triggers[rollback.TriggeredBy] : undefined;
  return (
    [trigger && `by ${trigger}`, rollback?.Description].filter(Boolean).join(": ") ||
    "for a reason that AppConfig does not report"
  );
}

/** Returns the reasons for a rejection: AppConfig's message and the details of the validators. */
function reasonsIn({ message, Details }: BadRequestException): string[] {
  const details = (Details?.InvalidConfiguration ?? []).map(({ Location, Constraint, Reason, Value }) =>
    [Location, Constraint, Reason, Value].filter(Boolean).join(": "),
  );
  return [...new Set([message, ...details])].filter(Boolean);
}
