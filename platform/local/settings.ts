import { existsSync, readFileSync } from "node:fs";
import { parse } from "yaml";
import * as z from "zod";
import { complianceSettingsSchema } from "../../bridge/governance/compliance-engine.ts";
import { timesSchema } from "../../bridge/model/timings.ts";

const settingsSchema = z.strictObject({
  /** A connector's name or id to its configuration; the connector's own schema checks it. */
  connectors: z.record(z.string(), z.record(z.string(), z.unknown())).default({}),
  /** Folders the bridge may read files from that events name; a relative one counts from the working folder. */
  places: z.array(z.string().min(1, "is empty")).default([]),
  times: timesSchema.prefault({}),
  /** Where the ledger's seals are kept: a folder outside the store, best one that nobody can change. */
  seals: z.string().min(1).optional(),
  /** The compliance engine that is asked besides `governance.yaml`. */
  governance: complianceSettingsSchema.optional(),
  /** Who is told when a target goes down, a packet is held, a window is breached. */
  alerts: z.strictObject({ webhook: z.url("is not a URL") }).optional(),
});

export type Settings = z.output<typeof settingsSchema>;
export type SettingsInput = z.input<typeof settingsSchema>;

/** @throws with file, place and fault */
export function readSettings(file: string): Settings {
  if (!existsSync(file)) return checkSettings({}, file);
  let raw: unknown;
  try {
    raw = parse(readFileSync(file, "utf8"), { maxAliasCount: 20 }) ?? {};
  } catch (error) {
    throw new Error(`${file}: not YAML: ${(error as Error).message.split("\n")[0]}`);
  }
  return checkSettings(raw, file);
}

export function checkSettings(raw: unknown, where: string): Settings {
  const parsed = settingsSchema.safeParse(raw);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new Error(`${where}: ${issue?.path.join(".") || "the settings"}: ${issue?.message}`);
}

/** A connector's configuration: by its id, else by its name. */
export function configOf(settings: Settings, connector: string): unknown {
  const [name = connector] = connector.split("@");
  const key = [connector, name].find((candidate) => Object.hasOwn(settings.connectors, candidate));
  return key === undefined ? undefined : settings.connectors[key];
}
