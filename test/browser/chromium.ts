import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";

const usualPlaces = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

/** The system's own browser: none is downloaded. */
export const chromiumPath = [process.env.CHROMIUM_PATH, ...usualPlaces].find((path) => path && existsSync(path));

export const noChromium = "no Chromium on this machine: install it, or say by CHROMIUM_PATH where it is";

/** @throws where there is none */
export function launch(): Promise<Browser> {
  if (chromiumPath === undefined) throw new Error(noChromium);
  // A container's root has no sandbox of its own; only our own pages are opened.
  return chromium.launch({ executablePath: chromiumPath, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
}
