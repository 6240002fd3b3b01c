import {
  AppConfigClient,
  GetConfigurationProfileCommand,
  GetHostedConfigurationVersionCommand,
} from "@aws-sdk/client-appconfig";
import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { region, rootCredentials } from "./emulator.ts";

/** Returns a validator's error message for a configuration, or nothing if it is valid. */
export type Validate = (application: string, body: string) => Promise<string | undefined>;

/**
 * Calls AppConfig's Lambda validators, which the emulator stores but never calls.
 *
 * Follows the AppConfig documentation: a validator is invoked synchronously before a deployment starts, with the content
 * as base64. If it fails or throws, the configuration is not deployed.
 * Source: AWS AppConfig User Guide, "Understanding validators".
 */
export function validatorsAt(endpoint: string): Validate {
  const client = { endpoint, region, credentials: rootCredentials };
  const appConfig = new AppConfigClient(client);
  const lambda = new LambdaClient(client);
  return async (ApplicationId, body) => {
    const { ConfigurationProfileId, ConfigurationVersion } = JSON.parse(body) as Record<string, string>;
    const profile = { ApplicationId, ConfigurationProfileId };
    const { Validators = [] } = await appConfig.send(new GetConfigurationProfileCommand(profile));
    const version = { ...profile, VersionNumber: Number(ConfigurationVersion) };
    const { Content = new Uint8Array() } = await appConfig.send(new GetHostedConfigurationVersionCommand(version));
    const Payload = JSON.stringify({
      applicationId: ApplicationId,
      configurationProfileId: ConfigurationProfileId,
      configurationVersion: ConfigurationVersion,
      content: Buffer.from(Content).toString("base64"),
      uri: "hosted",
    });
    for (const { Type, Content: FunctionName } of Validators) {
      if (Type !== "LAMBDA") continue;
      const { FunctionError, Payload: answer } = await lambda.send(new InvokeCommand({ FunctionName, Payload }));
      if (FunctionError)
        return (JSON.parse(answer?.transformToString() ?? "{}") as { errorMessage?: string }).errorMessage;
    }
    return undefined;
  };
}
