import { useState } from "preact/hooks";
import { get } from "../api.ts";
import type { ScreenProps } from "../app.tsx";
import { EventBadge } from "../parts/badge.tsx";
import { Empty, Fault, Skeleton } from "../parts/states.tsx";
import { Ago } from "../parts/time.tsx";
import { useDoing, usePoll } from "../poll.ts";
import { linkTo, narrowTo } from "../route.ts";
import { type EventStatus, eventStatuses, type Page, type SourceEvent } from "../shapes.ts";
import { count } from "../words.ts";

const everyMs = 3_000;
const pageSize = 100;

/** What HMS has published, and what became of it; the quarantined with their reasons. */
export function EventsScreen({ route: { query } }: ScreenProps) {
  const type = query.get("type") ?? "";
  const status = query.get("status") ?? "";
  const [older, setOlder] = useState<{ readonly of: string; readonly page: Page<SourceEvent> }>();
  const ask = (after?: string) =>
    get<Page<SourceEvent>>("/api/events", { type, limit: pageSize, ...(after !== undefined && { after }) });
  const { data, problem } = usePoll(type, () => ask(), everyMs);
  const more = useDoing();
  const behind = older?.of === type ? older.page : undefined;
  const known = new Set(data?.items.map(({ id }) => id));
  const all = [...(data?.items ?? []), ...(behind?.items ?? []).filter(({ id }) => !known.has(id))];
  const shown = all.filter((event) => status === "" || event.status === status);
  const next = behind ? behind.next : data?.next;
  const lookFurther = (from: string) =>
    more.run(async () => {
      const page = await ask(from);
      setOlder({ of: type, page: { ...page, items: [...(behind?.items ?? []), ...page.items] } });
    });
  return (
    <>
      <h1>Events</h1>
      <search class="filter">
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
        <div class="labelled">
          <label for="event-status">Became</label>
          <select
            id="event-status"
            value={status}
            onChange={(event) => narrowTo({ type, status: event.currentTarget.value })}
          >
            <option value="">Anything</option>
            {eventStatuses.map((one: EventStatus) => (
              <option key={one} value={one}>
                {one.toLowerCase()}
              </option>
            ))}
          </select>
        </div>
      </search>
      <Fault problem={problem ?? more.problem} stale={data !== undefined} />
      {!data && !problem && <Skeleton lines={10} />}
      {data && shown.length === 0 && (
        <Empty title={all.length === 0 ? "No events yet" : `None of the last ${count(all.length)} events is so`}>
          {all.length === 0 ? (
            <>
              Publish one: <code>npx bridge emit</code>
            </>
          ) : (
            "Look further back, or choose another."
          )}
        </Empty>
      )}
      {shown.length > 0 && (
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
            {shown.map((event) => (
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
      )}
      {next !== undefined && (
        <button type="button" class="more" disabled={more.busy} onClick={() => lookFurther(next)}>
          Older events
        </button>
      )}
    </>
  );
}
