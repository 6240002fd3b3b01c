import { join } from "node:path";
import { text } from "node:stream/consumers";
import { Command } from "commander";
import { type Connector, connectorId } from "../bridge/model/connector.ts";
import { ownCatalog } from "../library/bridge.ts";
import { setSecret } from "../platform/local/secrets.ts";
import { isElsewhere, type OpsOptions } from "./api-client.ts";
import { printJson } from "./output.ts";

/** `bridge connectors secret set`: a connector's secret, from standard input and never from the command line. */
export function connectorSecret(): Command {
  const set = new Command("set")
    .description("set a connector's secret: a JSON object, read from standard input")
    .argument("<connector>", "PayrollConnector for all its versions, or WorkForceNow@v2")
    .addHelpText(
      "after",
      `
Checked against what the connector takes, then kept in secrets.json in the store, for its owner alone. A running bridge
takes it up at its next send: set the new secret first, then end the old one.

  bridge connectors secret set WorkForceNow@v2 < secret.json
  printf '{"token":"%s"}' "$TOKEN" | bridge connectors secret set SchedulingConnector`,
    )
    .action(async (reference: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<OpsOptions>();
      const { dir, json = false } = options;
      if (isElsewhere(options)) {
        throw new RangeError(
          `a secret is set in the store here; for a deployment put it into AWS Secrets Manager as <deployment>/${reference}`,
        );
      }
      const connectors = await named(reference);
      if (process.stdin.isTTY) console.error("The secret as JSON, then Ctrl-D:");
      const secret = checked(connectors, await text(process.stdin));
      const file = join(dir, "secrets.json");
      setSecret(file, reference, secret);
      if (json) printJson({ connector: reference, file });
      else console.log(`the secret of ${reference} is set in ${file}`);
    });
  return new Command("secret").description("secrets of connectors").addCommand(set);
}

/** Those that take a secret under this name. @throws {RangeError} where there is none */
async function named(reference: string): Promise<Connector[]> {
  const catalog = await ownCatalog();
  const found = catalog.find(reference);
  if ("fault" in found) throw new RangeError(found.fault);
  const all = reference.includes("@") ? [found.connector] : catalog.versionsOf(reference);
  const taking = all.filter(({ secret }) => secret);
  if (taking.length === 0) throw new RangeError(`${reference} takes no secret`);
  return taking;
}

/** The secret, as every connector takes it that will be given it. @throws {TypeError} naming the place, never what stands there */
function checked(connectors: readonly Connector[], given: string): unknown {
  let secret: unknown;
  try {
    secret = JSON.parse(given);
  } catch {
    throw new TypeError('what came on standard input is not JSON; give an object such as {"token": "…"}');
  }
  for (const connector of connectors) {
    const parsed = connector.secret?.safeParse(secret);
    if (parsed?.success !== false) continue;
    const [issue] = parsed.error.issues;
    const place = issue?.path.join(".") || "the secret";
    throw new TypeError(`${connectorId(connector)} does not take this secret: ${place}: ${issue?.message}`);
  }
  return secret;
}
