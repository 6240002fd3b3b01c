import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";

const usualPaths = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

/** Path of the system's browser, or undefined if there is none. No browser is downloaded. */
export const chromiumPath = [process.env.CHROMIUM_PATH, ...usualPaths].find((path) => path && existsSync(path));

export const noChromium = "Chromium was not found. Install it, or set CHROMIUM_PATH to its path.";

/** @throws {Error} if there is no browser */
export function launch(): Promise<Browser> {
  if (chromiumPath === undefined) throw new Error(noChromium);
  // Chromium's sandbox does not work for root in a container. Only the project's own pages are opened.
  return chromium.launch({ executablePath: chromiumPath, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
}
