import { useEffect, useId, useState } from "preact/hooks";
import { get, type Query } from "../api.ts";
import { type Connector, type Page, type Sheet, type Status, statuses } from "../api-types.ts";
import { usePoll } from "../poll.ts";
import { replaceQuery } from "../route.ts";
import { StatusBadge } from "./badge.tsx";
import { bridgeNow } from "./time.tsx";

const ages = {
  "15m": { label: "Last 15 minutes", ms: 900_000 },
  "1h": { label: "Last hour", ms: 3_600_000 },
  "24h": { label: "Last 24 hours", ms: 86_400_000 },
  "7d": { label: "Last 7 days", ms: 604_800_000 },
} as const;

const textFilters = ["connector", "sheet", "entity", "event", "text"] as const;

/** Returns the API query for the filters in the page's address. */
export function filterOf(query: URLSearchParams, { withStatus }: { readonly withStatus: boolean }): Query {
  const given = Object.fromEntries(
    textFilters.flatMap((name) => (query.get(name) ? [[name, query.get(name) ?? ""]] : [])),
  );
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

/** Converts the value of a local date and time input to ISO 8601. Returns undefined if it is empty or invalid. */
export function timeOf(local: string | null): string | undefined {
  const ms = Date.parse(local ?? "");
  return Number.isNaN(ms) ? undefined : new Date(ms).toISOString();
}

/** Filters a list of packets. The page's address holds the choices. */
export function Filter({ query, withStatus }: { readonly query: URLSearchParams; readonly withStatus: boolean }) {
  const connectors = usePoll("connectors", (signal) => get<Page<Connector>>("/api/connectors", {}, signal));
  const sheets = usePoll("sheets", (signal) => get<Page<Sheet>>("/api/sheets", {}, signal));
  const isCustom = query.has("from") || query.has("to");
  const set = (changed: Query) => replaceQuery({ ...asQuery(query), ...changed });
  const chooseAge = (age: string) =>
    set(
      age === "custom"
        ? { age: undefined, from: localTime(bridgeNow() - 3_600_000) }
        : { age, from: undefined, to: undefined },
    );
  return (
    <search class="filter">
      <TextInput
        name="text"
        label="Text"
        value={query.get("text") ?? ""}
        onChange={(text) => set({ text })}
        hasShortcut
      />
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
      <TextInput
        name="entity"
        label="Entity"
        value={query.get("entity") ?? ""}
        onChange={(entity) => set({ entity })}
      />
      <Select
        label="Recorded"
        value={isCustom ? "custom" : (query.get("age") ?? "")}
        options={[...Object.entries(ages).map(([age, { label }]) => [age, label] as const), ["custom", "Custom range"]]}
        any="Any time"
        onChange={chooseAge}
      />
      {isCustom && (
        <>
          <TimeInput label="From" value={query.get("from") ?? ""} onChange={(from) => set({ from })} />
          <TimeInput label="To" value={query.get("to") ?? ""} onChange={(to) => set({ to })} />
        </>
      )}
      {withStatus && <StatusChips chosen={query.getAll("status")} onChange={(status) => set({ status })} />}
    </search>
  );
}

interface StatusChipsProps {
  readonly chosen: readonly string[];
  readonly onChange: (chosen: readonly Status[]) => void;
}

function StatusChips({ chosen, onChange }: StatusChipsProps) {
  const toggle = (toggled: Status) =>
    onChange(statuses.filter((status) => chosen.includes(status) !== (status === toggled)));
  return (
    <fieldset class="chips">
      <legend class="visually-hidden">Status</legend>
      {statuses.map((status) => (
        <label key={status}>
          <input
            type="checkbox"
            class="visually-hidden"
            checked={chosen.includes(status)}
            onChange={() => toggle(status)}
          />
          <StatusBadge status={status} />
        </label>
      ))}
    </fieldset>
  );
}

/** Converts the query of the page's address to one for a link. */
export function asQuery(query: URLSearchParams): Query {
  return Object.fromEntries([...new Set(query.keys())].map((name) => [name, query.getAll(name)]));
}

/** Formats a time for the browser's local date and time input. */
export function localTime(ms: number): string {
  const offsetMinutes = new Date(ms).getTimezoneOffset();
  return new Date(ms - offsetMinutes * 60_000).toISOString().slice(0, 16);
}

/** Delay between the last keystroke and the query. ms */
const typingMs = 250;

interface TextInputProps {
  readonly name: string;
  readonly label: string;
  readonly value: string;
  readonly onChange: (value: string | undefined) => void;
  /** True if the / key focuses this input. */
  readonly hasShortcut?: boolean;
}

function TextInput({ name, label, value, onChange, hasShortcut = false }: TextInputProps) {
  const id = useId();
  const [text, setText] = useState(value);
  useEffect(() => setText(value), [value]);
  useEffect(() => {
    if (text === value) return;
    const timer = setTimeout(() => onChange(text || undefined), typingMs);
    return () => clearTimeout(timer);
  }, [text, value, onChange]);
  return (
    <div class={`labeled ${name}`}>
      <label for={id}>
        {label}
        {hasShortcut && <kbd title="Press / to focus this field">/</kbd>}
      </label>
      <input
        id={id}
        type="search"
        autocomplete="off"
        spellcheck={false}
        value={text}
        data-filter={hasShortcut}
        placeholder={hasShortcut ? "ID, type, target, reason…" : "exact match"}
        onInput={(event) => setText(event.currentTarget.value)}
      />
    </div>
  );
}

interface SelectProps {
  readonly label: string;
  readonly value: string;
  readonly options: readonly (readonly [string, string])[];
  /** Label of the option that selects nothing. */
  readonly any?: string;
  readonly onChange: (value: string) => void;
}

export function Select({ label, value, options, any = "All", onChange }: SelectProps) {
  const id = useId();
  const isListed = value === "" || options.some(([name]) => name === value);
  return (
    <div class="labeled">
      <label for={id}>{label}</label>
      <select id={id} value={value} onChange={(event) => onChange(event.currentTarget.value)}>
        <option value="">{any}</option>
        {!isListed && <option value={value}>{value}</option>}
        {options.map(([name, text]) => (
          <option key={name} value={name}>
            {text}
          </option>
        ))}
      </select>
    </div>
  );
}

interface TimeInputProps {
  readonly label: string;
  readonly value: string;
  readonly onChange: (value: string | undefined) => void;
}

export function TimeInput({ label, value, onChange }: TimeInputProps) {
  const id = useId();
  return (
    <div class="labeled">
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
