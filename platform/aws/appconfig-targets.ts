import * as z from "zod";

/**
 * Parameter that the mappings stack stores for a sheet deployment: AppConfig ids, and the connectors that sheets may name.
 */
const appConfigTargetsSchema = z.object({
  application: z.string().min(1),
  environment: z.string().min(1),
  profile: z.string().min(1),
  /** Ids of the deployment strategies: in stages, and all at once. */
  staged: z.string().min(1),
  atOnce: z.string().min(1),
  /** The key's ARN. */
  key: z.string().min(1),
  /** Connector ids. */
  connectors: z.array(z.string()),
});

export type AppConfigTargets = z.output<typeof appConfigTargetsSchema>;

/** @throws {Error} if the text does not have the form that the mappings stack writes */
export function readAppConfigTargets(text: string): AppConfigTargets {
  return appConfigTargetsSchema.parse(JSON.parse(text));
}
