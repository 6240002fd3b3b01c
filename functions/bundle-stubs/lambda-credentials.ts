/**
 * Reads the credentials that Lambda puts into a function's environment. They are valid for the life of the process.
 *
 * Bundled in place of the SDK's provider chain, whose other sources (profiles, SSO, web identity, instance metadata)
 * would add 95 KiB of unused code to every cold start.
 */
export function defaultProvider() {
  return async () => {
    const {
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
      AWS_SESSION_TOKEN: sessionToken,
    } = process.env;
    if (!accessKeyId || !secretAccessKey) throw new Error("the environment holds no AWS credentials");
    return { accessKeyId, secretAccessKey, ...(sessionToken && { sessionToken }) };
  };
}
