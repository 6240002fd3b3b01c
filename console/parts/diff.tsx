import type { Decision, Fields, Json } from "../api-types.ts";
import { shown } from "../format.ts";
import { Icon } from "./icon.tsx";

export function Value({ value }: { readonly value: Json }) {
  if (value === null) return <em class="quiet">cleared</em>;
  return <code class="value">{shown(value)}</code>;
}

/** Previous and present value of a field. A missing one is shown as missing. */
export function Change({ before, after }: { readonly before?: Json | undefined; readonly after?: Json | undefined }) {
  return (
    <span class="change">
      {before === undefined ? (
        <em>new</em>
      ) : (
        <del>
          <Value value={before} />
        </del>
      )}
      <Icon name="arrow" />
      <span class="unseen">becomes</span>
      {after === undefined ? (
        <em>not sent</em>
      ) : (
        <ins>
          <Value value={after} />
        </ins>
      )}
    </span>
  );
}

/** Two sets of fields, field by field; equal ones are shown once. */
export function FieldsDiff({ before, after }: { readonly before: Fields; readonly after: Fields }) {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  if (names.length === 0) return <p class="quiet">No fields.</p>;
  return (
    <dl class="fields-diff">
      {names.map((name) => (
        <div key={name}>
          <dt>
            <code>{name}</code>
          </dt>
          <dd>
            {JSON.stringify(before[name]) === JSON.stringify(after[name]) ? (
              <Value value={after[name] ?? null} />
            ) : (
              <Change before={before[name]} after={after[name]} />
            )}
          </dd>
        </div>
      ))}
    </dl>
  );
}

const decided = { allow: "lets through", mask: "masks", block: "blocks" } as const;

/** Decisions of governance on the fields, by rule and never by value. */
export function Governance({ decisions }: { readonly decisions: readonly Decision[] }) {
  if (decisions.length === 0) return null;
  return (
    <ul class="governance">
      {decisions.map(({ field, action, rule, kinds }) => (
        <li key={`${field} ${rule}`} class={action}>
          <Icon name={action === "block" ? "hand" : action === "mask" ? "auto" : "check"} />
          Governance {decided[action]} <code>{field}</code> ({rule}
          {kinds.length > 0 && `: ${kinds.join(", ")}`})
        </li>
      ))}
    </ul>
  );
}
