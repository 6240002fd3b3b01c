import type { LedgerStep } from "../api-types.ts";
import { clockTime, fullTime } from "../format.ts";

/** A packet's or an event's ledger entries as sentences, oldest first. */
export function Story({ steps }: { readonly steps: readonly LedgerStep[] }) {
  if (steps.length === 0) return <p class="quiet">The ledger has no entries yet.</p>;
  return (
    <ol class="story">
      {steps.map(({ seq, at, step, sentence }) => (
        <li key={seq} class={step.toLowerCase()}>
          <time dateTime={at} title={fullTime(Date.parse(at))}>
            {clockTime(Date.parse(at))}
          </time>
          <p>
            <strong>{step}</strong> {sentence}
          </p>
        </li>
      ))}
    </ol>
  );
}
