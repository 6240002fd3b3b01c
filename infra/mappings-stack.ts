import { ArnFormat, Duration, Stack, type StackProps } from "aws-cdk-lib";
import {
  CfnApplication,
  CfnConfigurationProfile,
  CfnDeploymentStrategy,
  CfnEnvironment,
} from "aws-cdk-lib/aws-appconfig";
import { PolicyStatement, Role, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import { Key } from "aws-cdk-lib/aws-kms";
import { StringParameter } from "aws-cdk-lib/aws-ssm";
import type { Construct } from "constructs";
import type { AppConfigTargets } from "../platform/aws/appconfig-targets.ts";
import { appConfigNamesOf, parameterOf, sheetReaders } from "../platform/aws/names.ts";
import { setJsonSchema } from "../platform/aws/sheet-bundle.ts";
import { type AlarmKind, alarmNameOf } from "./alarms.ts";
import type { Bundle } from "./bundle.ts";
import { PlainFunction } from "./function.ts";
import type { Settings } from "./settings.ts";

/** Time limit of a validator. Source: AWS AppConfig User Guide, "Understanding validators". */
const checkTimeout = Duration.seconds(15);

/** Rollout to a fifth of the mappers every 2 min, then 10 min of monitoring, three times as long as an alarm needs. */
const staged = { deploymentDurationInMinutes: 10, growthType: "LINEAR", growthFactor: 20, finalBakeTimeInMinutes: 10 };

/** Alarms that roll back to the previous sheets. AppConfig monitors at most five. */
const rollbackAlarms: readonly AlarmKind[] = ["mapper-failing", "mapping-faults", "inbox-waits", "inbox-dead-letters"];

/** Rollout for the first sheets, and for fixes of faulty ones. In both cases no working sheets need protection. */
const atOnce = { deploymentDurationInMinutes: 0, growthType: "LINEAR", growthFactor: 100, finalBakeTimeInMinutes: 0 };

export interface MappingsStackProps extends StackProps {
  readonly settings: Settings;
  readonly sheetCheck: Bundle;
  /** Ids of the connectors that sheets may name. */
  readonly connectors: readonly string[];
}

/**
 * Stack of the mapping sheets: their storage, validation, rollout and readers.
 *
 * The stack does not contain the sheets. `npm run deploy:mappings` deploys them without changing the stack.
 */
export class MappingsStack extends Stack {
  readonly #deployment: string;

  constructor(scope: Construct, id: string, { settings, sheetCheck, connectors, ...props }: MappingsStackProps) {
    super(scope, id, { description: "HMS Sync Bridge: storage and rollout of the mapping sheets", ...props });
    this.#deployment = settings.name;
    const names = appConfigNamesOf(settings.name);
    const keyArn = this.#parameter("key");

    const application = new CfnApplication(this, "Application", {
      name: names.application,
      description: "HMS Sync Bridge: mapping sheets and the privacy policy",
    }).ref;
    const environment = this.#environment(application, names.environment);
    const check = new PlainFunction(this, "SheetCheck", {
      shared: {
        deployment: settings.name,
        key: Key.fromKeyArn(this, "Key", keyArn),
        logRetentionDays: settings.logRetentionDays,
        vpc: settings.vpc,
      },
      name: "sheet-check",
      bundle: sheetCheck,
      handler: "handler",
      source: "functions/sheet-check.ts",
      environment: {},
      timeout: checkTimeout,
    });
    // The permission has no source condition, because AppConfig sends no source. A caller learns only about its own input.
    check.function.addPermission("AppConfig", { principal: new ServicePrincipal("appconfig.amazonaws.com") });
    const profile = new CfnConfigurationProfile(this, "Profile", {
      applicationId: application,
      name: names.profile,
      locationUri: "hosted",
      kmsKeyIdentifier: keyArn,
      validators: [
        { type: "JSON_SCHEMA", content: JSON.stringify(setJsonSchema()) },
        { type: "LAMBDA", content: check.function.functionArn },
      ],
    });
    profile.node.addDependency(check);
    this.#grantSheetAccess(application, environment, profile.ref);

    const strategy = (id: string, name: string, rollout: typeof staged) =>
      new CfnDeploymentStrategy(this, id, { name: `${settings.name}-${name}`, replicateTo: "NONE", ...rollout }).ref;
    const targets: AppConfigTargets = {
      application,
      environment,
      profile: profile.ref,
      staged: strategy("Staged", "staged", staged),
      atOnce: strategy("AtOnce", "at-once", atOnce),
      key: keyArn,
      connectors: [...connectors],
    };
    new StringParameter(this, "Parameter-sheets", {
      parameterName: parameterOf(settings.name, "sheets"),
      description: "AppConfig ids for npm run deploy:mappings",
      stringValue: this.toJsonString(targets),
    });
  }

  #parameter(name: Parameters<typeof parameterOf>[1]): string {
    return StringParameter.valueForStringParameter(this, parameterOf(this.#deployment, name));
  }

  /** Creates the AppConfig environment with the alarms that roll the sheets back. */
  #environment(applicationId: string, name: string): string {
    const watcher = new Role(this, "AlarmWatcher", { assumedBy: new ServicePrincipal("appconfig.amazonaws.com") });
    watcher.addToPolicy(
      new PolicyStatement({
        actions: ["cloudwatch:DescribeAlarms"],
        // All alarms: even a lookup by name is authorized against the list of alarms.
        resources: [this.#alarmArn("*")],
      }),
    );
    const environment = new CfnEnvironment(this, "Environment", {
      applicationId,
      name,
      monitors: rollbackAlarms.map((kind) => ({
        alarmArn: this.#alarmArn(alarmNameOf(this.#deployment, kind)),
        alarmRoleArn: watcher.roleArn,
      })),
    });
    environment.node.addDependency(watcher);
    return environment.ref;
  }

  #alarmArn(resourceName: string): string {
    const arnFormat = ArnFormat.COLON_RESOURCE_NAME;
    return this.formatArn({ service: "cloudwatch", resource: "alarm", resourceName, arnFormat });
  }

  /** Grants the roles of the path stack access to the sheets, whose ids are known only in this stack. */
  #grantSheetAccess(application: string, environment: string, profile: string): void {
    for (const reader of sheetReaders) {
      Role.fromRoleName(this, `Role-${reader}`, this.#parameter(`role-${reader}`)).addToPrincipalPolicy(
        new PolicyStatement({
          actions: ["appconfig:StartConfigurationSession", "appconfig:GetLatestConfiguration"],
          resources: [
            this.formatArn({
              service: "appconfig",
              resource: "application",
              resourceName: `${application}/environment/${environment}/configuration/${profile}`,
            }),
          ],
        }),
      );
    }
  }
}
