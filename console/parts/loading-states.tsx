import type { ComponentChildren } from "preact";
import type { ProblemError } from "../api.ts";
import { Icon } from "./icon.tsx";

/** There is nothing, and what to do about it. */
export function Empty({ title, children }: { readonly title: string; readonly children?: ComponentChildren }) {
  return (
    <div class="empty">
      <p class="empty-title">{title}</p>
      <p>{children}</p>
    </div>
  );
}

/** Shows a problem and its remedy. */
export function Fault({
  problem,
  stale = false,
}: {
  readonly problem: ProblemError | undefined;
  readonly stale?: boolean;
}) {
  if (!problem) return null;
  return (
    <div class="fault" role="alert">
      <Icon name="warn" />
      <div>
        <strong>{problem.title}.</strong> {problem.detail} {stale && "What is shown is what was known last."}
        {problem.faults.length > 0 && (
          <ul>
            {problem.faults.map(({ where, what }) => (
              <li key={`${where} ${what}`}>
                <code>{where}</code> {what}
              </li>
            ))}
          </ul>
        )}
      </div>
    </div>
  );
}

/** The shape of what is about to come. */
export function Skeleton({ lines = 6 }: { readonly lines?: number }) {
  return (
    <div class="skeleton">
      <span class="unseen">Loading</span>
      {Array.from({ length: lines }, (_, line) => (
        <span key={line} class="bone" aria-hidden="true" />
      ))}
    </div>
  );
}
