import { useEffect, useRef, useState } from "preact/hooks";
import { get } from "../api.ts";
import type { EventStatus, Page, SourceEvent, Tally } from "../api-types.ts";
import { count } from "../format.ts";
import { EventBadge } from "../parts/badge.tsx";
import { Empty, Fault, Skeleton } from "../parts/loading-states.tsx";
import { Ago } from "../parts/time.tsx";
import { useDoing, usePoll } from "../poll.ts";
import { linkTo, narrowTo, type ScreenProps } from "../route.ts";

const everyMs = 3_000;
const tallyEveryMs = 5_000;
const pageSize = 100;

/** Events that HMS has published, with their status. Quarantined events have their reasons. */
export function EventsScreen({ route: { query } }: ScreenProps) {
  const type = query.get("type") ?? "";
  const status = query.get("status") ?? "";
  const key = `${status} ${type}`;
  const [older, setOlder] = useState<{ readonly of: string; readonly page: Page<SourceEvent> }>();
  const ask = (after?: string) =>
    get<Page<SourceEvent>>("/api/events", { type, status, limit: pageSize, ...(after !== undefined && { after }) });
  const { data, problem } = usePoll(key, () => ask(), everyMs);
  const more = useDoing();
  const behind = older?.of === key ? older.page : undefined;
  const known = new Set(data?.items.map(({ id }) => id));
  const shown = [...(data?.items ?? []), ...(behind?.items ?? []).filter(({ id }) => !known.has(id))];
  const next = behind ? behind.next : data?.next;
  const lookFurther = (from: string) =>
    more.run(async () => {
      const page = await ask(from);
      setOlder({ of: key, page: { ...page, items: [...(behind?.items ?? []), ...page.items] } });
    });
  return (
    <>
      <h1>Events</h1>
      <Views type={type} status={status} />
      <search class="filter events">
        <div class="labelled text">
          <label for="type">
            Type<kbd title="The key that goes here">/</kbd>
          </label>
          <input
            id="type"
            type="search"
            autocomplete="off"
            spellcheck={false}
            data-filter
            placeholder="whole, as policy.per_diem.updated"
            value={type}
            onChange={(event) => narrowTo({ status, type: event.currentTarget.value.trim() })}
          />
        </div>
      </search>
      <Fault problem={problem ?? more.problem} stale={data !== undefined} />
      {!data && !problem && <Skeleton lines={10} />}
      {data && shown.length === 0 && (
        <NoEvents
          narrowed={status !== "" || type !== ""}
          isMore={next !== undefined}
          quarantined={status === "QUARANTINED"}
        />
      )}
      {shown.length > 0 &&
        (status === "QUARANTINED" ? <QuarantineTable events={shown} /> : <EventTable events={shown} />)}
      {next !== undefined && (
        <button type="button" class="more" disabled={more.busy} onClick={() => lookFurther(next)}>
          Older events
        </button>
      )}
    </>
  );
}

const views: readonly (readonly [EventStatus | "", string])[] = [
  ["", "All"],
  ["EXPANDED", "Expanded"],
  ["EXPANDING", "Expanding"],
  ["UNMATCHED", "Unmatched"],
  ["QUARANTINED", "Quarantined"],
  ["NOTED", "Operators' acts"],
];

/** Tabs by event status, with counts if the API has them. */
function Views({ type, status }: { readonly type: string; readonly status: string }) {
  const { data } = usePoll("tally", (signal) => get<Tally>("/api/tally", {}, signal), tallyEveryMs);
  const row = useRef<HTMLUListElement>(null);
  const isCounted = data !== undefined;
  useEffect(() => {
    row.current?.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [status, isCounted]);
  return (
    <ul ref={row} class="views" aria-label="What became of them">
      {views.map(([name, word]) => {
        const events = name === "" ? undefined : data?.events[name];
        return (
          <li key={word}>
            <a
              href={linkTo("events", undefined, { type, status: name })}
              aria-current={name === status ? "page" : undefined}
              class={name === "QUARANTINED" && events ? "bad" : ""}
            >
              {word} {events !== undefined && <small>{count(events)}</small>}
            </a>
          </li>
        );
      })}
    </ul>
  );
}

interface NoEventsProps {
  readonly narrowed: boolean;
  readonly isMore: boolean;
  readonly quarantined: boolean;
}

function NoEvents({ narrowed, isMore, quarantined }: NoEventsProps) {
  if (isMore) return <Empty title="None among those looked through so far">Look further back.</Empty>;
  if (quarantined) return <Empty title="Nothing is quarantined">Every message that came was an event.</Empty>;
  if (narrowed) return <Empty title="No event is so">Choose another, or all of them.</Empty>;
  return (
    <Empty title="No events yet">
      Publish one: <code>npx bridge emit</code>
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
          <th scope="col">Became</th>
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
            <td data-label="Became">
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
              {count(event.packets)}
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

/** Messages that are no events: nothing is known of them but why. */
function QuarantineTable({ events }: EventsProps) {
  return (
    <table class="cards">
      <thead>
        <tr>
          <th scope="col">Became</th>
          <th scope="col">Message</th>
          <th scope="col">Why it is no event</th>
          <th scope="col" class="number">
            Came again
          </th>
          <th scope="col" class="number">
            Came
          </th>
        </tr>
      </thead>
      <tbody>
        {events.map(({ id, status, reason, duplicates, acceptedAt }) => (
          <tr key={id}>
            <td data-label="Became">
              <EventBadge status={status} />
            </td>
            <th scope="row" class="lead">
              <a class="row-link" href={linkTo("events", id)} data-row>
                <code>{id}</code>
              </a>
            </th>
            <td data-label="Why">{reason}</td>
            <td class="number" data-label="Came again">
              {count(duplicates)}
            </td>
            <td class="number" data-label="Came">
              <Ago at={acceptedAt} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
