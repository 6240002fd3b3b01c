import { AttachUserPolicyCommand, CreateAccessKeyCommand, CreateUserCommand, IAMClient } from "@aws-sdk/client-iam";
import { account } from "./emulator/emulator.ts";

/** IAM user in the emulated account, with the permissions of at most one policy. */
export interface IamUser {
  readonly arn: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  /** The credentials as environment variables. */
  readonly env: Readonly<Record<string, string>>;
}

/** Creates a user. @param policy name of its policy; if absent, the user has no permissions */
export async function createUser(UserName: string, policy?: string): Promise<IamUser> {
  const iam = new IAMClient();
  const { User } = await iam.send(new CreateUserCommand({ UserName }));
  const PolicyArn = `arn:aws:iam::${account}:policy/${policy}`;
  if (policy !== undefined) await iam.send(new AttachUserPolicyCommand({ UserName, PolicyArn }));
  const { AccessKey } = await iam.send(new CreateAccessKeyCommand({ UserName }));
  iam.destroy();
  const { AccessKeyId: accessKeyId = "", SecretAccessKey: secretAccessKey = "" } = AccessKey ?? {};
  return {
    arn: User?.Arn ?? "",
    credentials: { accessKeyId, secretAccessKey },
    env: { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey },
  };
}
