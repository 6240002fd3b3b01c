import { join } from "node:path";
import { text } from "node:stream/consumers";
import { Command } from "commander";
import { type Connector, connectorId } from "../bridge/model/connector.ts";
import { loadCatalog } from "../library/bridge.ts";
import { setSecret } from "../platform/local/secrets.ts";
import { isRemote, type OpsOptions } from "./api-client.ts";
import { printJson } from "./output.ts";

/** `bridge connectors secret set`: sets a connector's secret from standard input, never from the command line. */
export function connectorSecret(): Command {
  const set = new Command("set")
    .description("set a connector's secret from a JSON object on standard input")
    .argument("<connector>", "PayrollConnector (all versions) or WorkForceNow@v2")
    .addHelpText(
      "after",
      `
The secret is checked against the connector's schema and kept in secrets.json in the store, readable only by its owner.
A running bridge uses it from its next send, so set the new secret before you revoke the old one.

  bridge connectors secret set WorkForceNow@v2 < secret.json
  printf '{"token":"%s"}' "$TOKEN" | bridge connectors secret set SchedulingConnector`,
    )
    .action(async (reference: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<OpsOptions>();
      const { dir, json = false } = options;
      if (isRemote(options)) {
        throw new RangeError(
          `this command sets secrets of the local store only; for a deployment, store the secret in AWS Secrets Manager as <deployment>/${reference}`,
        );
      }
      const connectors = await connectorsWithSecret(reference);
      if (process.stdin.isTTY) console.error("Enter the secret as JSON, then press Ctrl-D:");
      const secret = parseSecret(connectors, await text(process.stdin));
      const file = join(dir, "secrets.json");
      await setSecret(file, reference, secret);
      if (json) printJson({ connector: reference, file });
      else console.log(`set the secret of ${reference} in ${file}`);
    });
  return new Command("secret").description("manage connectors' secrets").addCommand(set);
}

/**
 * Finds the connectors that use the secret with this name.
 *
 * @throws {RangeError} if no connector uses it
 */
async function connectorsWithSecret(reference: string): Promise<Connector[]> {
  const catalog = await loadCatalog();
  const found = catalog.find(reference);
  if ("issue" in found) throw new RangeError(found.issue);
  const all = reference.includes("@") ? [found.connector] : catalog.versionsOf(reference);
  const withSecret = all.filter(({ secret }) => secret);
  if (withSecret.length === 0) throw new RangeError(`${reference} uses no secret`);
  return withSecret;
}

/**
 * Parses a secret and checks it against the schema of each connector.
 *
 * @throws {TypeError} if it is invalid, with the location and without the value
 */
function parseSecret(connectors: readonly Connector[], input: string): unknown {
  let secret: unknown;
  try {
    secret = JSON.parse(input);
  } catch {
    throw new TypeError('standard input is not valid JSON; enter an object such as {"token": "…"}');
  }
  for (const connector of connectors) {
    const parsed = connector.secret?.safeParse(secret);
    if (parsed?.success !== false) continue;
    const [issue] = parsed.error.issues;
    const place = issue?.path.join(".") || "the secret";
    throw new TypeError(`${connectorId(connector)} rejects this secret: ${place}: ${issue?.message}`);
  }
  return secret;
}
