import { useEffect, useId, useState } from "preact/hooks";
import { get, type Query } from "../api.ts";
import { type Connector, type Page, type Sheet, type Status, statuses } from "../api-types.ts";
import { usePoll } from "../poll.ts";
import { narrowTo } from "../route.ts";
import { StatusBadge } from "./badge.tsx";
import { bridgeNow } from "./time.tsx";

const ages = {
  "15m": { word: "Last 15 minutes", ms: 900_000 },
  "1h": { word: "Last hour", ms: 3_600_000 },
  "24h": { word: "Last 24 hours", ms: 86_400_000 },
  "7d": { word: "Last 7 days", ms: 604_800_000 },
} as const;

const named = ["connector", "sheet", "entity", "event", "text"] as const;

/** Returns the API query for the filters in the page's address. */
export function filterOf(query: URLSearchParams, { withStatus }: { readonly withStatus: boolean }): Query {
  const given = Object.fromEntries(named.flatMap((name) => (query.get(name) ? [[name, query.get(name) ?? ""]] : [])));
  const age = ages[query.get("age") as keyof typeof ages];
  const from = age ? new Date(bridgeNow() - age.ms).toISOString() : timeOf(query.get("from"));
  const to = age ? undefined : timeOf(query.get("to"));
  return {
    ...given,
    ...(from !== undefined && { from }),
    ...(to !== undefined && { to }),
    ...(withStatus && { status: query.getAll("status") }),
  };
}

/** The moment of a local date and time, as the browser's own field gives it. */
export function timeOf(local: string | null): string | undefined {
  const ms = Date.parse(local ?? "");
  return Number.isNaN(ms) ? undefined : new Date(ms).toISOString();
}

/** Narrows a list of packets. The page's address holds the choice. */
export function Filter({ query, withStatus }: { readonly query: URLSearchParams; readonly withStatus: boolean }) {
  const connectors = usePoll("connectors", (signal) => get<Page<Connector>>("/api/connectors", {}, signal));
  const sheets = usePoll("sheets", (signal) => get<Page<Sheet>>("/api/sheets", {}, signal));
  const custom = query.has("from") || query.has("to");
  const set = (changed: Query) => narrowTo({ ...asQuery(query), ...changed });
  const toggled = (status: Status) => {
    const chosen = new Set(query.getAll("status"));
    if (!chosen.delete(status)) chosen.add(status);
    set({ status: statuses.filter((one) => chosen.has(one)) });
  };
  const chooseAge = (age: string) =>
    set(
      age === "custom"
        ? { age: undefined, from: localTime(bridgeNow() - 3_600_000) }
        : { age, from: undefined, to: undefined },
    );
  return (
    <search class="filter">
      <Typed name="text" label="Text" value={query.get("text") ?? ""} onChange={(text) => set({ text })} first />
      <Select
        label="Connector"
        value={query.get("connector") ?? ""}
        options={(connectors.data?.items ?? []).map(({ id }) => [id, id])}
        onChange={(connector) => set({ connector })}
      />
      <Select
        label="Sheet"
        value={query.get("sheet") ?? ""}
        options={(sheets.data?.items ?? []).map(({ name }) => [name, name])}
        onChange={(sheet) => set({ sheet })}
      />
      <Typed name="entity" label="Entity" value={query.get("entity") ?? ""} onChange={(entity) => set({ entity })} />
      <Select
        label="Recorded"
        value={custom ? "custom" : (query.get("age") ?? "")}
        options={[...Object.entries(ages).map(([age, { word }]) => [age, word] as const), ["custom", "From … to …"]]}
        any="At any time"
        onChange={chooseAge}
      />
      {custom && (
        <>
          <Time label="From" value={query.get("from") ?? ""} onChange={(from) => set({ from })} />
          <Time label="To" value={query.get("to") ?? ""} onChange={(to) => set({ to })} />
        </>
      )}
      {withStatus && (
        <fieldset class="chips">
          <legend class="unseen">Status</legend>
          {statuses.map((status) => (
            <label key={status}>
              <input
                type="checkbox"
                class="unseen"
                checked={query.getAll("status").includes(status)}
                onChange={() => toggled(status)}
              />
              <StatusBadge status={status} />
            </label>
          ))}
        </fieldset>
      )}
    </search>
  );
}

export function asQuery(query: URLSearchParams): Query {
  return Object.fromEntries([...new Set(query.keys())].map((name) => [name, query.getAll(name)]));
}

/** Format of the browser's own date and time field. */
export function localTime(ms: number): string {
  const minutes = new Date(ms).getTimezoneOffset();
  return new Date(ms - minutes * 60_000).toISOString().slice(0, 16);
}

/** ms after the last letter. */
const typingMs = 250;

interface TypedProps {
  readonly name: string;
  readonly label: string;
  readonly value: string;
  readonly onChange: (value: string | undefined) => void;
  /** The one that the key / goes to. */
  readonly first?: boolean;
}

function Typed({ name, label, value, onChange, first = false }: TypedProps) {
  const id = useId();
  const [text, setText] = useState(value);
  useEffect(() => setText(value), [value]);
  useEffect(() => {
    if (text === value) return;
    const timer = setTimeout(() => onChange(text || undefined), typingMs);
    return () => clearTimeout(timer);
  }, [text, value, onChange]);
  return (
    <div class={`labelled ${name}`}>
      <label for={id}>
        {label}
        {first && <kbd title="The key that goes here">/</kbd>}
      </label>
      <input
        id={id}
        type="search"
        autocomplete="off"
        spellcheck={false}
        value={text}
        data-filter={first}
        placeholder={first ? "id, type, target, reason …" : "whole"}
        onInput={(event) => setText(event.currentTarget.value)}
      />
    </div>
  );
}

interface SelectProps {
  readonly label: string;
  readonly value: string;
  readonly options: readonly (readonly [string, string])[];
  readonly any?: string;
  readonly onChange: (value: string) => void;
}

export function Select({ label, value, options, any = "All", onChange }: SelectProps) {
  const id = useId();
  const known = value === "" || options.some(([name]) => name === value);
  return (
    <div class="labelled">
      <label for={id}>{label}</label>
      <select id={id} value={value} onChange={(event) => onChange(event.currentTarget.value)}>
        <option value="">{any}</option>
        {!known && <option value={value}>{value}</option>}
        {options.map(([name, word]) => (
          <option key={name} value={name}>
            {word}
          </option>
        ))}
      </select>
    </div>
  );
}

interface TimeProps {
  readonly label: string;
  readonly value: string;
  readonly onChange: (value: string | undefined) => void;
}

export function Time({ label, value, onChange }: TimeProps) {
  const id = useId();
  return (
    <div class="labelled">
      <label for={id}>{label}</label>
      <input
        id={id}
        type="datetime-local"
        value={value}
        onChange={(event) => onChange(event.currentTarget.value || undefined)}
      />
    </div>
  );
}
