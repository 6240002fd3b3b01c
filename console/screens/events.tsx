import { useEffect, useRef, useState } from "preact/hooks";
import { get } from "../api.ts";
import type { EventStatus, Page, SourceEvent, Tally } from "../api-types.ts";
import { formatCount } from "../format.ts";
import { EventBadge } from "../parts/badge.tsx";
import { Empty, ProblemAlert, Skeleton } from "../parts/loading-states.tsx";
import { Ago } from "../parts/time.tsx";
import { useAction, usePoll } from "../poll.ts";
import { linkTo, replaceQuery, type ScreenProps } from "../route.ts";

const everyMs = 3_000;
const tallyEveryMs = 5_000;
const pageSize = 100;

/** Events that HMS published, by status. Quarantined messages are listed with their reasons. */
export function EventsScreen({ route: { query } }: ScreenProps) {
  const type = query.get("type") ?? "";
  const status = query.get("status") ?? "";
  const key = `${status} ${type}`;
  const [older, setOlder] = useState<{ readonly key: string; readonly page: Page<SourceEvent> }>();
  const load = (after?: string) =>
    get<Page<SourceEvent>>("/api/events", { type, status, limit: pageSize, ...(after !== undefined && { after }) });
  const { data, problem } = usePoll(key, () => load(), everyMs);
  const loadingOlder = useAction();
  const olderPage = older?.key === key ? older.page : undefined;
  const known = new Set(data?.items.map(({ id }) => id));
  const shown = [...(data?.items ?? []), ...(olderPage?.items ?? []).filter(({ id }) => !known.has(id))];
  const next = olderPage ? olderPage.next : data?.next;
  const loadOlder = (from: string) =>
    loadingOlder.run(async () => {
      const page = await load(from);
      setOlder({ key, page: { ...page, items: [...(olderPage?.items ?? []), ...page.items] } });
    });
  return (
    <>
      <h1>Events</h1>
      <StatusTabs type={type} status={status} />
      <search class="filter events">
        <div class="labeled text">
          <label for="type">
            Type (exact)<kbd title="Press / to focus this field">/</kbd>
          </label>
          <input
            id="type"
            type="search"
            autocomplete="off"
            spellcheck={false}
            data-filter
            placeholder="e.g. policy.per_diem.updated"
            value={type}
            onChange={(event) => replaceQuery({ status, type: event.currentTarget.value.trim() })}
          />
        </div>
      </search>
      <ProblemAlert problem={problem ?? loadingOlder.problem} stale={data !== undefined} />
      {!data && !problem && <Skeleton lines={10} />}
      {data && shown.length === 0 && (
        <NoEvents
          isFiltered={status !== "" || type !== ""}
          hasMore={next !== undefined}
          isQuarantine={status === "QUARANTINED"}
        />
      )}
      {shown.length > 0 &&
        (status === "QUARANTINED" ? <QuarantineTable events={shown} /> : <EventTable events={shown} />)}
      {next !== undefined && (
        <button type="button" class="more" disabled={loadingOlder.busy} onClick={() => loadOlder(next)}>
          Load older events
        </button>
      )}
    </>
  );
}

const tabs: readonly (readonly [EventStatus | "", string])[] = [
  ["", "All"],
  ["EXPANDED", "Expanded"],
  ["EXPANDING", "Expanding"],
  ["UNMATCHED", "Unmatched"],
  ["QUARANTINED", "Quarantined"],
  ["NOTED", "Operator actions"],
];

/** Tabs by event status, with counts once they are loaded. */
function StatusTabs({ type, status }: { readonly type: string; readonly status: string }) {
  const { data } = usePoll("tally", (signal) => get<Tally>("/api/tally", {}, signal), tallyEveryMs);
  const list = useRef<HTMLUListElement>(null);
  const hasCounts = data !== undefined;
  useEffect(() => {
    list.current?.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [status, hasCounts]);
  return (
    <ul ref={list} class="tabs" aria-label="Event status">
      {tabs.map(([name, label]) => {
        const events = name === "" ? undefined : data?.events[name];
        return (
          <li key={label}>
            <a
              href={linkTo("events", undefined, { type, status: name })}
              aria-current={name === status ? "page" : undefined}
              class={name === "QUARANTINED" && events ? "bad" : ""}
            >
              {label} {events !== undefined && <small>{formatCount(events)}</small>}
            </a>
          </li>
        );
      })}
    </ul>
  );
}

interface NoEventsProps {
  readonly isFiltered: boolean;
  readonly hasMore: boolean;
  readonly isQuarantine: boolean;
}

function NoEvents({ isFiltered, hasMore, isQuarantine }: NoEventsProps) {
  if (hasMore) return <Empty title="No matching events found so far">Load older events to search further back.</Empty>;
  if (isQuarantine) return <Empty title="No quarantined messages">Every message was a valid event.</Empty>;
  if (isFiltered) return <Empty title="No events match this filter">Change the type, or choose another status.</Empty>;
  return (
    <Empty title="No events yet">
      Publish one with <code>npx bridge emit</code>.
    </Empty>
  );
}

interface EventsProps {
  readonly events: readonly SourceEvent[];
}

function EventTable({ events }: EventsProps) {
  return (
    <table class="cards">
      <thead>
        <tr>
          <th scope="col">Status</th>
          <th scope="col">Event</th>
          <th scope="col">Type</th>
          <th scope="col">Source</th>
          <th scope="col">Sheets</th>
          <th scope="col" class="number">
            Packets
          </th>
          <th scope="col" class="number">
            Accepted
          </th>
        </tr>
      </thead>
      <tbody>
        {events.map((event) => (
          <tr key={event.id}>
            <td data-label="Status">
              <EventBadge status={event.status} />
            </td>
            <th scope="row" class="lead">
              <a class="row-link" href={linkTo("events", event.id)} data-row>
                <code>{event.id}</code>
              </a>
            </th>
            <td data-label="Type">
              {event.type ?? <span class="quiet">none</span>}
              {event.reason !== undefined && <small class="bad-text">{event.reason}</small>}
            </td>
            <td data-label="Source">{event.source ?? <span class="quiet">none</span>}</td>
            <td data-label="Sheets">{event.sheets.join(", ") || <span class="quiet">none</span>}</td>
            <td class="number" data-label="Packets">
              {formatCount(event.packets)}
            </td>
            <td class="number" data-label="Accepted">
              <Ago at={event.acceptedAt} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** Table of messages that are not valid events, each with its reason. */
function QuarantineTable({ events }: EventsProps) {
  return (
    <table class="cards">
      <thead>
        <tr>
          <th scope="col">Status</th>
          <th scope="col">Message</th>
          <th scope="col">Reason</th>
          <th scope="col" class="number">
            Duplicates
          </th>
          <th scope="col" class="number">
            Received
          </th>
        </tr>
      </thead>
      <tbody>
        {events.map(({ id, status, reason, duplicates, acceptedAt }) => (
          <tr key={id}>
            <td data-label="Status">
              <EventBadge status={status} />
            </td>
            <th scope="row" class="lead">
              <a class="row-link" href={linkTo("events", id)} data-row>
                <code>{id}</code>
              </a>
            </th>
            <td data-label="Reason">{reason}</td>
            <td class="number" data-label="Duplicates">
              {formatCount(duplicates)}
            </td>
            <td class="number" data-label="Received">
              <Ago at={acceptedAt} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
