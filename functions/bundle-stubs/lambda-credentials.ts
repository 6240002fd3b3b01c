/**
 * Provides the credentials that Lambda puts into a function's environment. They are valid for the life of the process.
 *
 * Replaces the SDK's provider chain in bundles. The chain's other sources (profiles, SSO, web identity, instance metadata)
 * would add 95 KiB of unused code to every cold start.
 */
export function defaultProvider() {
  return async () => {
    const {
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
      AWS_SESSION_TOKEN: sessionToken,
    } = process.env;
    if (!accessKeyId || !secretAccessKey) throw new Error("the environment has no AWS credentials");
    return { accessKeyId, secretAccessKey, ...(sessionToken && { sessionToken }) };
  };
}
