import { GetParameterCommand, SSMClient } from "@aws-sdk/client-ssm";
import { SignatureV4 } from "@smithy/signature-v4";
import { parameterOf } from "./names.ts";

/** Sends a request to a deployed bridge, signed with AWS credentials. */
export type SignedFetch = (
  path: string,
  init: { readonly method: string; readonly headers: Readonly<Record<string, string>>; readonly body?: string },
) => Promise<Response>;

/**
 * Opens the operator API of a deployment.
 *
 * @param client supplies region and credentials; by default those the AWS SDK finds
 * @throws {Error} if this account and region have no deployment of that name with an operator API
 */
export async function openDeployedApi(deployment: string, client = new SSMClient()): Promise<SignedFetch> {
  const name = parameterOf(deployment, "ops-url");
  const { Parameter } = await client.send(new GetParameterCommand({ Name: name })).catch((error: Error) => {
    if (error.name !== "ParameterNotFound") throw error;
    throw new Error(`Parameter Store has no ${name}; is ${deployment} deployed in this account and region?`);
  });
  if (!Parameter?.Value) throw new Error(`Parameter Store has nothing under ${name}; deploy ${deployment} again`);
  const { credentials, region, sha256 } = client.config;
  const signer = new SignatureV4({ service: "execute-api", credentials, region, sha256 });
  const base = Parameter.Value.replace(/\/$/, "");
  return async (path, init) => {
    const url = new URL(`${base}${path}`);
    const query: Record<string, string | string[]> = {};
    for (const key of new Set(url.searchParams.keys())) query[key] = url.searchParams.getAll(key);
    const signed = await signer.sign({
      method: init.method,
      protocol: url.protocol,
      hostname: url.hostname,
      ...(url.port && { port: Number(url.port) }),
      path: url.pathname,
      query,
      headers: { ...init.headers, host: url.host },
      ...(init.body !== undefined && { body: init.body }),
    });
    const { host: _, ...headers } = signed.headers;
    return fetch(url, { ...init, headers });
  };
}
