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

/** A fifth of the mappers every 2 min, then all of them for as long as the alarms take to notice, three times over. */
const staged = { deploymentDurationInMinutes: 10, growthType: "LINEAR", growthFactor: 20, finalBakeTimeInMinutes: 10 };

/** The alarms that end a rollout and bring the last sheets back. AppConfig watches at most five. */
const rollbackAlarms: readonly AlarmKind[] = ["mapper-failing", "mapping-faults", "inbox-waits", "inbox-dead-letters"];

/** For the first sheets, and to repair those in force: nothing is worth keeping a little longer. */
const atOnce = { deploymentDurationInMinutes: 0, growthType: "LINEAR", growthFactor: 100, finalBakeTimeInMinutes: 0 };

export interface MappingsStackProps extends StackProps {
  readonly settings: Settings;
  readonly sheetCheck: Bundle;
  /** The ids of the connectors that sheets may name. */
  readonly connectors: readonly string[];
}

/**
 * Stack of the mapping sheets: their storage, validation, rollout and readers.
 *
 * The sheets themselves are not in it: `npm run deploy:mappings` ships them, and no stack changes for that.
 */
export class MappingsStack extends Stack {
  readonly #deployment: string;

  constructor(scope: Construct, id: string, { settings, sheetCheck, connectors, ...props }: MappingsStackProps) {
    super(scope, id, { description: "HMS Sync Bridge: where its mapping sheets are kept", ...props });
    this.#deployment = settings.name;
    const place = appConfigNamesOf(settings.name);
    const keyArn = this.#told("key");

    const application = new CfnApplication(this, "Application", {
      name: place.application,
      description: "HMS Sync Bridge: mapping sheets and the privacy policy",
    }).ref;
    const environment = this.#environment(application, place.environment);
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
    // AppConfig names no source when it calls a validator; whoever calls it learns what is wrong with what he sent.
    check.function.addPermission("AppConfig", { principal: new ServicePrincipal("appconfig.amazonaws.com") });
    const profile = new CfnConfigurationProfile(this, "Profile", {
      applicationId: application,
      name: place.profile,
      locationUri: "hosted",
      kmsKeyIdentifier: keyArn,
      validators: [
        { type: "JSON_SCHEMA", content: JSON.stringify(setJsonSchema()) },
        { type: "LAMBDA", content: check.function.functionArn },
      ],
    });
    profile.node.addDependency(check);
    this.#grantReading(application, environment, profile.ref);

    const strategy = (id: string, name: string, how: typeof staged) =>
      new CfnDeploymentStrategy(this, id, { name: `${settings.name}-${name}`, replicateTo: "NONE", ...how }).ref;
    const places: AppConfigTargets = {
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
      description: "Where npm run deploy:mappings ships to",
      stringValue: this.toJsonString(places),
    });
  }

  #told(what: Parameters<typeof parameterOf>[1]): string {
    return StringParameter.valueForStringParameter(this, parameterOf(this.#deployment, what));
  }

  /** Environment of the sheets, with the alarms that roll them back. */
  #environment(applicationId: string, name: string): string {
    const watcher = new Role(this, "AlarmWatcher", { assumedBy: new ServicePrincipal("appconfig.amazonaws.com") });
    watcher.addToPolicy(
      new PolicyStatement({
        actions: ["cloudwatch:DescribeAlarms"],
        // All alarms, because whoever asks for one by its name is answered from the list of them.
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

  /** The roles were made with the path; what they may read is known only here. */
  #grantReading(application: string, environment: string, profile: string): void {
    for (const reader of sheetReaders) {
      Role.fromRoleName(this, `Role-${reader}`, this.#told(`role-${reader}`)).addToPrincipalPolicy(
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
