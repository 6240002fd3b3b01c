import { existsSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Library } from "./scenario.ts";

// The only bench file that uses internals of the bridge. They are looked up in the measured tree, because their paths
// differ between commits. If a tree lacks one, the scenario omits its figures.

/** Paths of the map step and the sheet reader in different commits, newest first. Their signatures are the same. */
const mapStepPaths = [
  { mapEvent: "bridge/mapping/map-event.ts", readSheet: "bridge/mapping/sheet-file.ts" },
  { mapEvent: "bridge/map.ts", readSheet: "bridge/sheet-text.ts" },
];

type SourceEvent = ReturnType<Library["Event"]>;

type SheetReading =
  | { readonly ok: true; readonly sheet: { readonly targets: readonly unknown[] } }
  | { readonly ok: false };

/** The parts of the map step that the bench calls. */
export interface MapStep {
  mapEvent(event: SourceEvent, match: { readonly sheet: object; readonly target: unknown }, place: number): unknown;
  readSheet(file: string, text: string): SheetReading;
}

/** Loads the tree's map step. Returns `undefined` if it is at none of the known paths. */
export async function loadMapStep(tree: string): Promise<MapStep | undefined> {
  for (const paths of mapStepPaths) {
    const files = [join(tree, paths.mapEvent), join(tree, paths.readSheet)];
    if (!files.every((file) => existsSync(file))) continue;
    const modules = await Promise.all(files.map((file) => import(pathToFileURL(file).href)));
    const step: Partial<MapStep> = Object.assign({}, ...modules);
    if (step.mapEvent && step.readSheet) return { mapEvent: step.mapEvent, readSheet: step.readSheet };
  }
  return undefined;
}

type Seal = () => Promise<{ readonly entries: number } | undefined>;

/** Returns a function that seals the bridge's ledger, or `undefined` if the tree's engine has no `sealing.seal()`. */
export async function sealerOf(bridge: InstanceType<Library["Bridge"]>): Promise<Seal | undefined> {
  const { sealing }: { readonly sealing?: { seal?: Seal } | undefined } = await bridge.engine();
  return sealing?.seal && (() => (sealing as { seal: Seal }).seal());
}
