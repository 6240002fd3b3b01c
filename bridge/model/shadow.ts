import type { Version } from "./version.ts";

/** One field of an entity as last sent. */
export interface ShadowField {
  readonly version: Version;
  /** Keyed hash of the value. Absent if it is unknown whether the send landed. */
  readonly hash?: string;
  /** Id of the packet that was sent. Absent for a cleared field, and in shadows of earlier releases. */
  readonly by?: string;
}

/** State of one entity at a target, as far as the bridge knows. */
export interface Shadow {
  readonly fields: Readonly<Record<string, ShadowField>>;
  /**
   * Version of the newest deletion. Nothing older is sent. If there are fields, newer changes have been sent since, or
   * overtook the deletion.
   */
  readonly deleted?: Version;
  /** True if it is unknown whether the deletion took place or still holds. */
  readonly inDoubt?: boolean;
}
