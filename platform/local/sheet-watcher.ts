import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import type { Policy } from "../../bridge/governance/policy.ts";
import { readPolicy } from "../../bridge/governance/policy-file.ts";
import { readSheets, type SheetFile, type SheetsReading } from "../../bridge/mapping/sheet-file.ts";
import { type SheetSet, sheetSet } from "../../bridge/mapping/sheet-set.ts";
import type { Catalog } from "../../bridge/model/connector.ts";
import { issueText } from "../../bridge/values/yaml-file.ts";

/** The texts a set of sheets was made from. */
interface Texts {
  readonly sheets: readonly SheetFile[];
  readonly governance?: SheetFile | undefined;
}

export type SetReading =
  | { readonly ok: true; readonly set: SheetSet; readonly warnings: readonly string[] }
  | {
      readonly ok: false;
      readonly faults: readonly string[];
      /** The policy, where it alone can be used. */
      readonly policy?: Policy;
    };

/** The sheets of a folder and the `governance.yaml` beside it, as texts. */
export function readFolder(folder: string): Texts {
  const read = (file: string) => ({ file: shown(file), text: readFileSync(file, "utf8") });
  const governance = governanceOf(folder);
  return {
    sheets: sheetFiles(folder).map(read),
    ...(existsSync(governance) && { governance: read(governance) }),
  };
}

function sheetFiles(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => /\.ya?ml$/.test(name))
    .map((name) => join(folder, name))
    .filter((file) => statSync(file, { throwIfNoEntry: false })?.isFile())
    .sort();
}

function governanceOf(folder: string): string {
  return join(dirname(folder), "governance.yaml");
}

/** Changes when any file of the folder, or the policy beside it, is written, replaced, added or removed. */
function signature(folder: string): string {
  const files = [...sheetFiles(folder), governanceOf(folder)];
  return files
    .map((file) => {
      const stat = statSync(file, { throwIfNoEntry: false });
      return `${file} ${stat?.ino} ${stat?.size} ${stat?.mtimeMs}`;
    })
    .join("\n");
}

/** Paths in faults are as one would type them here. */
function shown(path: string): string {
  const near = relative(process.cwd(), path);
  return near.startsWith("..") ? join(basename(dirname(path)), basename(path)) : near;
}

/** What texts say, with all that is wrong with them. Without a policy, or with one that is faulty, personal data is blocked. */
export interface TextsReading {
  readonly sheets: SheetsReading;
  readonly policy: Policy;
  readonly policyFault?: string;
}

export async function readTexts({ sheets: files, governance }: Texts, catalog: Catalog): Promise<TextsReading> {
  const read = governance && readPolicy(governance.file, governance.text);
  const policy: Policy = read?.ok ? read.policy : { otherwise: "block", rules: [] };
  const sheets = await readSheets(files, catalog, policy);
  return { sheets, policy, ...(read && !read.ok && { policyFault: read.message }) };
}

/** Checks texts and makes a set of them: all or nothing. */
export async function readSet(texts: Texts, catalog: Catalog): Promise<SetReading> {
  const { sheets, policy, policyFault } = await readTexts(texts, catalog);
  const faults = [...sheets.faults.map(issueText), ...(policyFault === undefined ? [] : [policyFault])];
  return faults.length > 0
    ? { ok: false, faults, ...(policyFault === undefined && { policy }) }
    : { ok: true, set: sheetSet(sheets.sheets, policy), warnings: sheets.warnings.map(issueText) };
}

export interface SheetWatcherOptions {
  readonly folder: string;
  readonly catalog: Catalog;
  /** Where the last good texts are kept, so that a restart with a bad sheet in the folder goes on with them. */
  readonly lastGoodFile?: string;
  /** Told what was taken up, or what is wrong with it. */
  readonly tell: (news: SheetsNews) => void;
}

export type SheetsNews =
  | { readonly kind: "loaded"; readonly sheets: number; readonly warnings: readonly string[] }
  | { readonly kind: "refused"; readonly faults: readonly string[] };

/**
 * A folder of sheets that is looked at again and again. A bad file leaves the last good set in force.
 *
 * Polling, not file events: editors replace files, and network and container mounts lose events.
 */
export class SheetWatcher {
  readonly #options: SheetWatcherOptions;
  #current: SheetSet;
  /** What the files looked like from outside when they were last read. */
  #seen: string;

  private constructor(options: SheetWatcherOptions, current: SheetSet, seen: string) {
    this.#options = options;
    this.#current = current;
    this.#seen = seen;
  }

  /** @throws {SheetsError} where the folder's sheets are faulty and there is no last good set */
  static async open(options: SheetWatcherOptions): Promise<SheetWatcher> {
    const seen = signature(options.folder);
    const texts = readFolder(options.folder);
    const reading = await readSet(texts, options.catalog);
    if (reading.ok) {
      const folder = new SheetWatcher(options, reading.set, seen);
      folder.#keep(texts, reading);
      return folder;
    }
    const lastGood = await lastGoodSet(options);
    if (!lastGood) throw new SheetsError(reading.faults);
    options.tell({ kind: "refused", faults: reading.faults });
    return new SheetWatcher(options, lastGood, seen);
  }

  get current(): SheetSet {
    return this.#current;
  }

  /** Takes up what has changed in the folder. */
  async refresh(): Promise<void> {
    let texts: Texts;
    let seen: string;
    try {
      seen = signature(this.#options.folder);
      if (seen === this.#seen) return;
      texts = readFolder(this.#options.folder);
    } catch (error) {
      // A file vanished between listing and reading, or the folder is gone: told once, and looked for again.
      const code = (error as NodeJS.ErrnoException).code ?? "unknown";
      if (this.#seen !== code) this.#refuse([`${this.#options.folder} cannot be read (${code})`]);
      this.#seen = code;
      return;
    }
    this.#seen = seen;
    if (texts.sheets.length === 0 && this.#current.sheets.length > 0) {
      // A checkout or a copy in progress looks like this, and every event meanwhile would be nobody's.
      this.#refuse([`${this.#options.folder} holds no sheet any more; to run without sheets, start anew`]);
      return;
    }
    const reading = await readSet(texts, this.#options.catalog);
    if (!reading.ok) {
      // A policy that can be read counts at once, whatever is wrong with the sheets: it may forbid what they send.
      if (reading.policy) this.#current = sheetSet(this.#current.sheets, reading.policy);
      this.#refuse(reading.faults);
      return;
    }
    this.#current = reading.set;
    this.#keep(texts, reading);
  }

  #refuse(faults: readonly string[]): void {
    this.#options.tell({ kind: "refused", faults });
  }

  #keep(texts: Texts, { set, warnings }: Extract<SetReading, { ok: true }>): void {
    if (this.#options.lastGoodFile) writeFileSync(this.#options.lastGoodFile, JSON.stringify(texts), { mode: 0o600 });
    this.#options.tell({ kind: "loaded", sheets: set.sheets.length, warnings });
  }
}

async function lastGoodSet({ lastGoodFile, catalog }: SheetWatcherOptions): Promise<SheetSet | undefined> {
  if (!lastGoodFile || !existsSync(lastGoodFile)) return undefined;
  try {
    const reading = await readSet(JSON.parse(readFileSync(lastGoodFile, "utf8")) as Texts, catalog);
    return reading.ok ? reading.set : undefined;
  } catch {
    return undefined;
  }
}

/** The folder cannot be used as it is; the message has one fault a line. */
export class SheetsError extends Error {
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(faults.join("\n"));
    this.faults = faults;
  }
}
