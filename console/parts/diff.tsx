import type { FieldDecision, Fields, Json } from "../api-types.ts";
import { valueText } from "../format.ts";
import { Icon } from "./icon.tsx";

export function Value({ value }: { readonly value: Json }) {
  if (value === null) return <em class="quiet">cleared</em>;
  return <code class="value">{valueText(value)}</code>;
}

/** Previous and new value of a field. Either may be missing. */
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
      <span class="visually-hidden">becomes</span>
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

/** Compares two sets of fields by name. An unchanged value is shown once. */
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

const decisionVerbs = { allow: "allows", mask: "masks", block: "blocks" } as const;

/** Lists governance's decision and rule for each field. Values are not shown. */
export function Governance({ decisions }: { readonly decisions: readonly FieldDecision[] }) {
  if (decisions.length === 0) return null;
  return (
    <ul class="governance">
      {decisions.map(({ field, action, rule, kinds }) => (
        <li key={`${field} ${rule}`} class={action}>
          <Icon name={action === "block" ? "hand" : action === "mask" ? "auto" : "check"} />
          Governance {decisionVerbs[action]} <code>{field}</code> ({rule}
          {kinds.length > 0 && `: ${kinds.join(", ")}`})
        </li>
      ))}
    </ul>
  );
}
