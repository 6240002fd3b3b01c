import type { Version } from "./packet.ts";

/** State of one entity at a target, as far as the bridge knows it. */
export interface Shadow {
  /** Per field: the version it was sent with, and its keyed hash; no hash where a send may or may not have landed. */
  readonly fields: Readonly<Record<string, { readonly version: Version; readonly hash?: string }>>;
  /** The entity was deleted at this version. */
  readonly deleted?: Version;
  /** True if it is unknown whether the deletion took place or still holds. */
  readonly inDoubt?: boolean;
}
