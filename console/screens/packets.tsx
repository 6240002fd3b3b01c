import { useEffect, useRef, useState } from "preact/hooks";
import { get } from "../api.ts";
import type { Packet, Page } from "../api-types.ts";
import { counted, formatDuration } from "../format.ts";
import { StatusBadge } from "../parts/badge.tsx";
import { asQuery, Filter, filterOf } from "../parts/filter.tsx";
import { Icon } from "../parts/icon.tsx";
import { Empty, ProblemAlert, Skeleton } from "../parts/loading-states.tsx";
import { Ago, bridgeNow } from "../parts/time.tsx";
import { useAction, usePoll } from "../poll.ts";
import { linkTo, type ScreenProps } from "../route.ts";

const everyMs = 2_000;
const pageSize = 50;
/** Most rows that are kept current: the API's largest page. */
const maxCurrentRows = 200;

/** Live list of packets with filters. */
export function PacketsScreen({ route: { query } }: ScreenProps) {
  const key = query.toString();
  const list = usePackets(query, key);
  const isFiltered = [...query.keys()].length > 0;
  return (
    <>
      <div class="title">
        <h1>Packets</h1>
        <a class="button" href={linkTo("bulk", undefined, { ...asQuery(query), status: undefined })}>
          <Icon name="bulk" /> Bulk operation with this filter
        </a>
      </div>
      <Filter query={query} withStatus />
      <ProblemAlert problem={list.problem} stale={list.rows !== undefined} />
      <div class="newer" role="status">
        {list.newer > 0 && (
          <button type="button" onClick={list.showNewer}>
            <Icon name="down" /> Show {counted(list.newer, "newer packet")}
          </button>
        )}
      </div>
      {list.rows === undefined && !list.problem && <Skeleton lines={10} />}
      {list.rows?.length === 0 && (
        <Empty title={isFiltered ? "No packets match these filters" : "No packets yet"}>
          {isFiltered ? (
            <a href={linkTo("packets")}>Show all packets</a>
          ) : (
            <>
              Publish an event with <code>npx bridge emit</code>, or check under <a href={linkTo("sheets")}>Sheets</a>{" "}
              which events are mapped.
            </>
          )}
        </Empty>
      )}
      {list.rows && list.rows.length > 0 && <PacketTable packets={list.rows} />}
      {list.more && (
        <button type="button" class="more" disabled={list.busy} onClick={list.more}>
          Load older packets
        </button>
      )}
    </>
  );
}

/**
 * Loads the list and keeps it current without moving the rows that are being read.
 *
 * Rows that are shown are updated in place. Newer packets are added only on request, or at once if the list is scrolled
 * to its top and no row has the focus or the pointer.
 */
function usePackets(query: URLSearchParams, key: string) {
  const [loaded, setLoaded] = useState<{ key: string; rows: readonly Packet[]; next?: string }>();
  const shown = loaded?.key === key ? loaded : undefined;
  const size = Math.min(maxCurrentRows, Math.max(pageSize, shown?.rows.length ?? 0));
  const load = (after?: string) =>
    get<Page<Packet>>("/api/packets", {
      ...filterOf(query, { withStatus: true }),
      limit: after ? pageSize : size,
      ...(after && { after }),
    });
  const polled = usePoll(key, () => load(), everyMs);
  const { busy, problem, run } = useAction();
  const isRequested = useRef(false);

  useEffect(() => {
    const { data } = polled;
    if (!data) return;
    setLoaded((previous) => {
      if (previous?.key !== key || isRequested.current || canMoveRows()) {
        const tail = previous?.key === key ? previous.rows.slice(data.items.length) : [];
        isRequested.current = false;
        const known = new Set(data.items.map(({ id }) => id));
        const rest = tail.filter(({ id }) => !known.has(id));
        const next = rest.length > 0 ? previous?.next : data.next;
        return { key, rows: [...data.items, ...rest], ...(next !== undefined && { next }) };
      }
      const fresh = new Map(data.items.map((packet) => [packet.id, packet]));
      return { ...previous, rows: previous.rows.map((packet) => fresh.get(packet.id) ?? packet) };
    });
  }, [polled.data, key]);

  const known = new Set(shown?.rows.map(({ id }) => id));
  const newer = shown ? countNewer(polled.data?.items ?? [], known) : 0;
  const next = shown?.next;
  return {
    rows: shown?.rows,
    newer,
    busy,
    problem: polled.problem ?? problem,
    showNewer() {
      isRequested.current = true;
      polled.refresh();
      scrollTo(0, 0);
    },
    more:
      next === undefined
        ? undefined
        : () =>
            run(async () => {
              const page = await load(next);
              setLoaded((previous) =>
                previous?.key === key
                  ? {
                      key,
                      rows: [...previous.rows, ...page.items],
                      ...(page.next !== undefined && { next: page.next }),
                    }
                  : previous,
              );
            }),
  };
}

/** Returns the number of packets that are newer than the first one shown. */
function countNewer(items: readonly Packet[], known: ReadonlySet<string>): number {
  const firstKnown = items.findIndex(({ id }) => known.has(id));
  return firstKnown < 0 ? items.length : firstKnown;
}

function canMoveRows(): boolean {
  return scrollY < 40 && !document.querySelector("tbody :focus, tbody tr:hover");
}

/** Table of packets, each row a link. */
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
      <span class={ms > windowMs ? "bad-text" : ""}>{formatDuration(ms)}</span>
      {lagMs === undefined && place !== undefined && <small>{placeLabels[place]}</small>}
      {isNext && (
        <small>
          next attempt <Ago at={nextTryAt} />
        </small>
      )}
      {tries > 1 && <small>{counted(tries, "attempt")}</small>}
    </>
  );
}

const placeLabels = { lane: "in its lane", outbox: "in the outbox", behind: "behind another packet" } as const;
