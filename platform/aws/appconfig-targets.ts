import * as z from "zod";

/** What the mappings stack has made, for whoever ships sheets: ids, and the connectors sheets may name. */
const placesSchema = z.object({
  application: z.string().min(1),
  environment: z.string().min(1),
  profile: z.string().min(1),
  /** The strategies: in stages, and all at once. */
  staged: z.string().min(1),
  atOnce: z.string().min(1),
  /** The key's ARN. */
  key: z.string().min(1),
  /** Connector ids. */
  connectors: z.array(z.string()),
});

export type AppConfigTargets = z.output<typeof placesSchema>;

/** @throws where the text is not what the mappings stack writes */
export function readAppConfigTargets(text: string): AppConfigTargets {
  return placesSchema.parse(JSON.parse(text));
}
