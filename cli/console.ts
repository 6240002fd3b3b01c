import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { styleText } from "node:util";
import type { Command } from "commander";
import { serveProxy } from "../ops/local-server.ts";
import { findApiEndpoint } from "./api-client.ts";
import type { ApiEndpoint } from "./api-server.ts";
import { pageFile } from "./console-assets.ts";
import { type End, exitCodes, printJson } from "./output.ts";
import { type StoreOptions, storeCommand } from "./with-bridge.ts";

interface ConsoleOptions extends StoreOptions {
  readonly stack?: string;
}

/** `bridge console`: where the Sync Dashboard is, of the bridge that serves here, or of a deployment. */
export function dashboard(end: End): Command {
  return storeCommand("console", "say where the Sync Dashboard is, with the token that opens it")
    .option("--stack <name>", "of a deployment: served on this machine until stopped, by your own AWS credentials")
    .addHelpText(
      "after",
      "\nThe link is for this machine alone. No browser is opened: its arguments could be read by others.",
    )
    .action(async (options: ConsoleOptions) => {
      if (options.stack !== undefined) return serveDashboard(options.stack, options);
      const door = await findApiEndpoint(options.dir);
      if (door) return tell(door, options);
      console.error(`bridge: nobody serves the API of ${options.dir}; start it with "npm start" or "bridge serve"`);
      end(exitCodes.couldNot);
    });
}

async function serveDashboard(stack: string, options: ConsoleOptions): Promise<void> {
  const { openDeployedApi } = await import("../platform/aws/signed-fetch.ts");
  const token = randomBytes(32).toString("base64url");
  const served = await serveProxy(await openDeployedApi(stack), { port: 0, token, page: pageFile });
  tell({ url: served.url, token }, options);
  await Promise.race([once(process, "SIGINT"), once(process, "SIGTERM")]);
  await served.close();
}

function tell({ url, token }: ApiEndpoint, { json }: ConsoleOptions): void {
  const link = `${url}/#token=${token}`;
  if (json) printJson({ url: link });
  else console.log(`The Sync Dashboard: ${styleText("bold", link)}`);
}
