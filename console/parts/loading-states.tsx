import type { ComponentChildren } from "preact";
import type { ProblemError } from "../api.ts";
import { Icon } from "./icon.tsx";

/** Message for an empty list or result, with the next step. */
export function Empty({ title, children }: { readonly title: string; readonly children?: ComponentChildren }) {
  return (
    <div class="empty">
      <p class="empty-title">{title}</p>
      <p>{children}</p>
    </div>
  );
}

/** Shows a problem. `stale` adds that the data on the page is from before it. */
export function ProblemAlert({
  problem,
  stale = false,
}: {
  readonly problem: ProblemError | undefined;
  readonly stale?: boolean;
}) {
  if (!problem) return null;
  return (
    <div class="problem" role="alert">
      <Icon name="warn" />
      <div>
        <strong>{problem.title}.</strong> {problem.detail} {stale && "Showing the last known data."}
        {problem.faults.length > 0 && (
          <ul>
            {problem.faults.map(({ where, what: message }) => (
              <li key={`${where} ${message}`}>
                <code>{where}</code> {message}
              </li>
            ))}
          </ul>
        )}
      </div>
    </div>
  );
}

/** Placeholder lines while data loads. */
export function Skeleton({ lines = 6 }: { readonly lines?: number }) {
  return (
    <div class="skeleton">
      <span class="visually-hidden">Loading</span>
      {Array.from({ length: lines }, (_, line) => (
        <span key={line} class="bone" aria-hidden="true" />
      ))}
    </div>
  );
}
