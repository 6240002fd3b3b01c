import type { Step } from "../api-types.ts";
import { clockTime, fullTime } from "../format.ts";

/** The ledger's steps in plain sentences, oldest first. */
export function Story({ steps }: { readonly steps: readonly Step[] }) {
  if (steps.length === 0) return <p class="quiet">The ledger has nothing of it.</p>;
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
