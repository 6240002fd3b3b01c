import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import type { Policy } from "../../bridge/governance/policy.ts";
import { readPolicy } from "../../bridge/governance/policy-file.ts";
import { readSheets, type SheetFile, type SheetsReading } from "../../bridge/mapping/sheet-file.ts";
import { type SheetSet, sheetSet } from "../../bridge/mapping/sheet-set.ts";
import type { Catalog } from "../../bridge/model/connector.ts";
import { BridgeError } from "../../bridge/values/bridge-error.ts";
import { issueText } from "../../bridge/values/yaml-file.ts";
import { replaceFile } from "../durable-file.ts";

/** Texts of a set of sheets and its policy. */
interface Texts {
  readonly sheets: readonly SheetFile[];
  readonly governance?: SheetFile | undefined;
}

export type SetReading =
  | { readonly ok: true; readonly set: SheetSet; readonly warnings: readonly string[] }
  | {
      readonly ok: false;
      readonly faults: readonly string[];
      /** The policy, if it is valid but the sheets are not. */
      readonly policy?: Policy;
    };

/** Reads the texts of a folder's sheets and of the `governance.yaml` next to the folder. */
export function readFolder(folder: string): Texts {
  const read = (file: string) => ({ file: displayPath(file), text: readFileSync(file, "utf8") });
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

/** Returns a signature that changes if a sheet or the policy is written, replaced, added or removed. */
function signature(folder: string): string {
  const files = [...sheetFiles(folder), governanceOf(folder)];
  return files
    .map((file) => {
      const stat = statSync(file, { throwIfNoEntry: false });
      return `${file} ${stat?.ino} ${stat?.size} ${stat?.mtimeMs}`;
    })
    .join("\n");
}

/** Returns a path for messages: relative to the working directory if inside it, else the file with its folder's name. */
function displayPath(path: string): string {
  const fromHere = relative(process.cwd(), path);
  return fromHere.startsWith("..") ? join(basename(dirname(path)), basename(path)) : fromHere;
}

/** Sheets and policy read from texts, with all issues. If the policy is missing or invalid, personal data is blocked. */
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

/** Checks texts and creates a set from them if all are valid. */
export async function readSet(texts: Texts, catalog: Catalog): Promise<SetReading> {
  const { sheets, policy, policyFault } = await readTexts(texts, catalog);
  const issues = [...sheets.issues.map(issueText), ...(policyFault === undefined ? [] : [policyFault])];
  return issues.length > 0
    ? { ok: false, faults: issues, ...(policyFault === undefined && { policy }) }
    : { ok: true, set: sheetSet(sheets.sheets, policy), warnings: sheets.warnings.map(issueText) };
}

export interface SheetWatcherOptions {
  readonly folder: string;
  readonly catalog: Catalog;
  /** File that keeps the last valid texts, so that a restart with an invalid sheet in the folder can use them. */
  readonly lastGoodFile?: string;
  /** Called when sheets have been loaded or refused. */
  readonly onUpdate: (update: SheetsUpdate) => void;
}

export type SheetsUpdate =
  | { readonly kind: "loaded"; readonly sheets: number; readonly warnings: readonly string[] }
  | { readonly kind: "refused"; readonly faults: readonly string[] };

/**
 * Watches a folder of sheets. If any file is invalid, the last valid set stays in force.
 *
 * It polls instead of using file events, because editors replace files and network and container mounts lose events.
 */
export class SheetWatcher {
  readonly #options: SheetWatcherOptions;
  #current: SheetSet;
  /** Signature of the files when they were last read, or the error code if they could not be read. */
  #seen: string;

  private constructor(options: SheetWatcherOptions, current: SheetSet, seen: string) {
    this.#options = options;
    this.#current = current;
    this.#seen = seen;
  }

  /** @throws {SheetsError} if the folder's sheets are invalid and there is no last valid set */
  static async open(options: SheetWatcherOptions): Promise<SheetWatcher> {
    const seen = signature(options.folder);
    const texts = readFolder(options.folder);
    const reading = await readSet(texts, options.catalog);
    if (reading.ok) {
      const watcher = new SheetWatcher(options, reading.set, seen);
      await watcher.#saveAndReport(texts, reading);
      return watcher;
    }
    const lastGood = await lastGoodSet(options);
    if (!lastGood) throw new SheetsError(reading.faults);
    options.onUpdate({ kind: "refused", faults: reading.faults });
    return new SheetWatcher(options, lastGood, seen);
  }

  get current(): SheetSet {
    return this.#current;
  }

  /** Reads the folder again if it has changed. */
  async refresh(): Promise<void> {
    let texts: Texts;
    let seen: string;
    try {
      seen = signature(this.#options.folder);
      if (seen === this.#seen) return;
      texts = readFolder(this.#options.folder);
    } catch (error) {
      // A file vanished between listing and reading, or the folder is gone. Reported once; the next refresh tries again.
      const code = (error as NodeJS.ErrnoException).code ?? "unknown";
      if (this.#seen !== code) this.#refuse([`${this.#options.folder} cannot be read (${code})`]);
      this.#seen = code;
      return;
    }
    this.#seen = seen;
    if (texts.sheets.length === 0 && this.#current.sheets.length > 0) {
      // A checkout or copy may be in progress. Events that arrive in the meantime would match no sheet.
      this.#refuse([
        `${this.#options.folder} no longer contains any sheets; to run without sheets, restart the bridge`,
      ]);
      return;
    }
    const reading = await readSet(texts, this.#options.catalog);
    if (!reading.ok) {
      // A valid policy applies at once even if the sheets are invalid, because it may forbid what they send.
      if (reading.policy) this.#current = sheetSet(this.#current.sheets, reading.policy);
      this.#refuse(reading.faults);
      return;
    }
    this.#current = reading.set;
    await this.#saveAndReport(texts, reading);
  }

  #refuse(faults: readonly string[]): void {
    this.#options.onUpdate({ kind: "refused", faults });
  }

  async #saveAndReport(texts: Texts, { set, warnings }: Extract<SetReading, { ok: true }>): Promise<void> {
    if (this.#options.lastGoodFile) await replaceFile(this.#options.lastGoodFile, JSON.stringify(texts));
    this.#options.onUpdate({ kind: "loaded", sheets: set.sheets.length, warnings });
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

/** Thrown if a folder's sheets cannot be used. The message has one line for each issue. */
export class SheetsError extends BridgeError {
  override readonly name = "SheetsError";
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super("sheets-refused", faults.join("\n"));
    this.faults = faults;
  }
}
