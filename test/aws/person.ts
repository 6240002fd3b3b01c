import { AttachUserPolicyCommand, CreateAccessKeyCommand, CreateUserCommand, IAMClient } from "@aws-sdk/client-iam";
import { account } from "./emulator/emulator.ts";

/** Somebody in the emulated account, who may do what one policy says. */
export interface Person {
  readonly arn: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  /** Credentials as a process of theirs has them. */
  readonly env: Readonly<Record<string, string>>;
}

/** @param policy its name; absent: they may do nothing */
export async function aPerson(UserName: string, policy?: string): Promise<Person> {
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
