import { existsSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Library } from "./scenario.ts";

// The only file here that knows internals of the bridge. They are looked up in the tree that is measured, because their
// paths differ between commits. A scenario leaves out what a tree does not have.

/** Paths that the map step and the sheet reader have had, newest first. Their signatures are the same in each. */
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

/** The tree's map step, or `undefined` if it is at no path known here. */
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

/** Seals the bridge's ledger when called. `undefined` if the tree's engine has no `sealing.seal()`. */
export async function sealerOf(bridge: InstanceType<Library["Bridge"]>): Promise<Seal | undefined> {
  const { sealing }: { readonly sealing?: { seal?: Seal } | undefined } = await bridge.engine();
  return sealing?.seal && (() => (sealing as { seal: Seal }).seal());
}
