import { useEffect, useRef, useState } from "preact/hooks";
import { get } from "../api.ts";
import type { Packet, Page } from "../api-types.ts";
import { counted, span } from "../format.ts";
import { StatusBadge } from "../parts/badge.tsx";
import { asQuery, Filter, filterOf } from "../parts/filter.tsx";
import { Icon } from "../parts/icon.tsx";
import { Empty, Fault, Skeleton } from "../parts/loading-states.tsx";
import { Ago, bridgeNow } from "../parts/time.tsx";
import { useDoing, usePoll } from "../poll.ts";
import { linkTo, type ScreenProps } from "../route.ts";

const everyMs = 2_000;
const pageSize = 50;
/** The API's largest page: so many rows are kept fresh. */
const freshRows = 200;

/** The packets there are, narrowed by filters, and what becomes of them. */
export function PacketsScreen({ route: { query } }: ScreenProps) {
  const key = query.toString();
  const list = usePackets(query, key);
  const narrowed = [...query.keys()].length > 0;
  return (
    <>
      <div class="title">
        <h1>Packets</h1>
        <a class="button" href={linkTo("bulk", undefined, { ...asQuery(query), status: undefined })}>
          <Icon name="bulk" /> Bulk on this filter
        </a>
      </div>
      <Filter query={query} withStatus />
      <Fault problem={list.problem} stale={list.rows !== undefined} />
      <div class="news" role="status">
        {list.newer > 0 && (
          <button type="button" onClick={list.showNewer}>
            <Icon name="down" /> {counted(list.newer, "newer packet")}: show
          </button>
        )}
      </div>
      {list.rows === undefined && !list.problem && <Skeleton lines={10} />}
      {list.rows?.length === 0 && (
        <Empty title={narrowed ? "No packet fits these filters" : "No packets yet"}>
          {narrowed ? (
            <a href={linkTo("packets")}>Show all packets</a>
          ) : (
            <>
              Publish an event: <code>npx bridge emit</code>, or see whether a sheet wants it under{" "}
              <a href={linkTo("sheets")}>Sheets</a>.
            </>
          )}
        </Empty>
      )}
      {list.rows && list.rows.length > 0 && <PacketTable packets={list.rows} />}
      {list.more && (
        <button type="button" class="more" disabled={list.busy} onClick={list.more}>
          Older packets
        </button>
      )}
    </>
  );
}

/**
 * A list that is kept fresh without moving what one reads: rows that are shown change in their place; those that came
 * since wait behind a button, but where the list is looked at from its beginning and nothing in it is chosen.
 */
function usePackets(query: URLSearchParams, key: string) {
  const [kept, setKept] = useState<{ key: string; rows: readonly Packet[]; next?: string }>();
  const shown = kept?.key === key ? kept : undefined;
  const size = Math.min(freshRows, Math.max(pageSize, shown?.rows.length ?? 0));
  const ask = (after?: string) =>
    get<Page<Packet>>("/api/packets", {
      ...filterOf(query, { withStatus: true }),
      limit: after ? pageSize : size,
      ...(after && { after }),
    });
  const polled = usePoll(key, () => ask(), everyMs);
  const { busy, problem, run } = useDoing();
  const wanted = useRef(false);

  useEffect(() => {
    const { data } = polled;
    if (!data) return;
    setKept((last) => {
      if (last?.key !== key || wanted.current || isAtItsBeginning()) {
        const loaded = last?.key === key ? last.rows.slice(data.items.length) : [];
        wanted.current = false;
        const known = new Set(data.items.map(({ id }) => id));
        const rest = loaded.filter(({ id }) => !known.has(id));
        const next = rest.length > 0 ? last?.next : data.next;
        return { key, rows: [...data.items, ...rest], ...(next !== undefined && { next }) };
      }
      const fresh = new Map(data.items.map((packet) => [packet.id, packet]));
      return { ...last, rows: last.rows.map((packet) => fresh.get(packet.id) ?? packet) };
    });
  }, [polled.data, key]);

  const known = new Set(shown?.rows.map(({ id }) => id));
  const newer = shown ? newerThan(polled.data?.items ?? [], known) : 0;
  const next = shown?.next;
  return {
    rows: shown?.rows,
    newer,
    busy,
    problem: polled.problem ?? problem,
    showNewer() {
      wanted.current = true;
      polled.refresh();
      scrollTo(0, 0);
    },
    more:
      next === undefined
        ? undefined
        : () =>
            run(async () => {
              const page = await ask(next);
              setKept((last) =>
                last?.key === key
                  ? { key, rows: [...last.rows, ...page.items], ...(page.next !== undefined && { next: page.next }) }
                  : last,
              );
            }),
  };
}

/** Returns the newest packets that come before the first one shown. */
function newerThan(items: readonly Packet[], known: ReadonlySet<string>): number {
  const first = items.findIndex(({ id }) => known.has(id));
  return first < 0 ? items.length : first;
}

function isAtItsBeginning(): boolean {
  return scrollY < 40 && !document.querySelector("tbody :focus, tbody tr:hover");
}

export function PacketTable({ packets }: { readonly packets: readonly Packet[] }) {
  return (
    <table class="cards packets">
      <thead>
        <tr>
          <th scope="col">Status</th>
          <th scope="col">Packet</th>
          <th scope="col">Entity</th>
          <th scope="col">Target</th>
          <th scope="col">Fields</th>
          <th scope="col" class="number">
            Lag
          </th>
          <th scope="col" class="number">
            Recorded
          </th>
        </tr>
      </thead>
      <tbody>
        {packets.map((packet) => (
          <PacketRow key={packet.id} packet={packet} />
        ))}
      </tbody>
    </table>
  );
}

function PacketRow({ packet }: { readonly packet: Packet }) {
  const { id, status, entity, connector, sheet, target, fieldNames, action, revision, recordedAt, reason } = packet;
  return (
    <tr>
      <td data-label="Status">
        <StatusBadge status={status} />
      </td>
      <th scope="row" class="lead">
        <a class="row-link" href={linkTo("packets", id)} data-row>
          <code>{id}</code>
        </a>
        {revision > 0 && <small>revision {revision}</small>}
      </th>
      <td data-label="Entity">
        <span class="clip" title={entity}>
          {entity}
        </span>
      </td>
      <td data-label="Target">
        {connector}
        <small>
          {sheet}.{target}
        </small>
      </td>
      <td data-label="Fields">
        <span class="clip">{action === "delete" ? "deletes the record" : fieldNames.join(", ")}</span>
        {reason !== undefined && (
          <small class="clip" title={reason}>
            {reason}
          </small>
        )}
      </td>
      <td class="number" data-label="Lag">
        <LagOf packet={packet} />
      </td>
      <td class="number" data-label="Recorded">
        <Ago at={recordedAt} />
      </td>
    </tr>
  );
}

function LagOf({ packet }: { readonly packet: Packet }) {
  const { status, lagMs, queuedAt, windowMs, nextTryAt, tries, place } = packet;
  if (status === "HELD") return <span class="quiet">–</span>;
  const now = bridgeNow();
  const ms = lagMs ?? now - Date.parse(queuedAt);
  const isNext = lagMs === undefined && nextTryAt !== undefined && Date.parse(nextTryAt) > now;
  return (
    <>
      <span class={ms > windowMs ? "bad-text" : ""}>{span(ms)}</span>
      {lagMs === undefined && place !== undefined && <small>{places[place]}</small>}
      {isNext && (
        <small>
          next try <Ago at={nextTryAt} />
        </small>
      )}
      {tries > 1 && <small>{counted(tries, "try", "tries")}</small>}
    </>
  );
}

const places = { lane: "on its lane", outbox: "in the outbox", behind: "behind another" } as const;
