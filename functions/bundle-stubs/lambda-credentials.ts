/**
 * Credentials as Lambda gives them to a function: in its environment, for as long as the process lives.
 *
 * Bundled in place of the SDK's own chain, whose other places (profiles, SSO, web identity, instance metadata) are
 * 95 KiB that no function here would ever use, and every cold start would read.
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
