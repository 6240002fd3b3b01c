import { existsSync, readFileSync } from "node:fs";
import { parse } from "yaml";
import * as z from "zod";
import { complianceSettingsSchema } from "../../bridge/governance/compliance-engine.ts";
import { timesSchema } from "../../bridge/model/timings.ts";

const settingsSchema = z.strictObject({
  /** Configurations by connector name or id. The connector's own schema checks each. */
  connectors: z.record(z.string(), z.record(z.string(), z.unknown())).default({}),
  /** Folders of the files that events may name. Relative paths are resolved against the working directory. */
  places: z.array(z.string().min(1, "is empty")).default([]),
  times: timesSchema.prefault({}),
  /** Folder of the ledger's seals. It must be outside the store and should be write-once. */
  seals: z.string().min(1).optional(),
  /** External compliance engine to consult in addition to `governance.yaml`. */
  governance: complianceSettingsSchema.optional(),
  /** Webhook that receives alerts, for example when a target goes down or a packet is held. */
  alerts: z.strictObject({ webhook: z.url("is not a URL") }).optional(),
});

export type Settings = z.output<typeof settingsSchema>;
export type SettingsInput = z.input<typeof settingsSchema>;

/**
 * Reads `bridge.yaml`. A missing file means default settings.
 *
 * @throws {Error} if the file is invalid; names the file, the setting and the problem
 */
export function readSettings(file: string): Settings {
  if (!existsSync(file)) return checkSettings({}, file);
  let raw: unknown;
  try {
    raw = parse(readFileSync(file, "utf8"), { maxAliasCount: 20 }) ?? {};
  } catch (error) {
    throw new Error(`${file}: invalid YAML: ${(error as Error).message.split("\n")[0]}`);
  }
  return checkSettings(raw, file);
}

export function checkSettings(raw: unknown, where: string): Settings {
  const parsed = settingsSchema.safeParse(raw);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new Error(`${where}: ${issue?.path.join(".") || "the settings"}: ${issue?.message}`);
}

/** Returns a connector's configuration, looked up by its id and then by its name. */
export function configOf(settings: Settings, connector: string): unknown {
  const [name = connector] = connector.split("@");
  const key = [connector, name].find((candidate) => Object.hasOwn(settings.connectors, candidate));
  return key === undefined ? undefined : settings.connectors[key];
}
