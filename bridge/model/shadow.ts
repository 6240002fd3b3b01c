import type { Version } from "./version.ts";

/** State of one entity at a target, as far as the bridge knows. */
export interface Shadow {
  /** Version and keyed hash of each field as last sent. The hash is absent if it is unknown whether the send landed. */
  readonly fields: Readonly<Record<string, { readonly version: Version; readonly hash?: string }>>;
  /** Version of the deletion, if the entity was deleted. */
  readonly deleted?: Version;
  /** True if it is unknown whether the deletion took place or still holds. */
  readonly inDoubt?: boolean;
}
