import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { styleText } from "node:util";
import type { Command } from "commander";
import { serveProxy } from "../ops/local-server.ts";
import { findApiEndpoint } from "./api-client.ts";
import type { ApiEndpoint } from "./api-server.ts";
import { pageFile } from "./console-assets.ts";
import { exitCodes, printJson, type SetExitCode } from "./output.ts";
import { type StoreOptions, storeCommand } from "./with-bridge.ts";

interface ConsoleOptions extends StoreOptions {
  readonly stack?: string;
}

/** `bridge console`: prints the address of the Sync Dashboard, for the local bridge or for a deployment. */
export function dashboard(setExitCode: SetExitCode): Command {
  return storeCommand("console", "print the Sync Dashboard's link, including its access token")
    .option("--stack <name>", "serve the dashboard of a deployment here until stopped, with your own AWS credentials")
    .addHelpText(
      "after",
      "\nThe link works on this machine only. The command does not open a browser, because other users of this machine\n" +
        "could read the token in the browser's arguments.",
    )
    .action(async (options: ConsoleOptions) => {
      if (options.stack !== undefined) return serveDashboard(options.stack, options);
      const endpoint = await findApiEndpoint(options.dir);
      if (endpoint) return printLink(endpoint, options);
      console.error(
        `bridge: no process serves the API of ${options.dir}; start one with "npm start" or "bridge serve"`,
      );
      setExitCode(exitCodes.couldNot);
    });
}

async function serveDashboard(stack: string, options: ConsoleOptions): Promise<void> {
  const { openDeployedApi } = await import("../platform/aws/signed-fetch.ts");
  const token = randomBytes(32).toString("base64url");
  const served = await serveProxy(await openDeployedApi(stack), { port: 0, token, page: pageFile });
  printLink({ url: served.url, token }, options);
  await Promise.race([once(process, "SIGINT"), once(process, "SIGTERM")]);
  await served.close();
}

function printLink({ url, token }: ApiEndpoint, { json }: ConsoleOptions): void {
  const link = `${url}/#token=${token}`;
  if (json) printJson({ url: link });
  else console.log(`The Sync Dashboard: ${styleText("bold", link)}`);
}
