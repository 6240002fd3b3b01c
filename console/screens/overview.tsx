import { useState } from "preact/hooks";
import { get, post, type Query } from "../api.ts";
import type { Alert, Connector, Lag, Page, Sheet, Tally } from "../api-types.ts";
import { count, counted, span } from "../format.ts";
import { HealthBadge } from "../parts/badge.tsx";
import { LagChart } from "../parts/chart.tsx";
import { Ask } from "../parts/dialog.tsx";
import { Icon } from "../parts/icon.tsx";
import { Empty, Fault, Skeleton } from "../parts/loading-states.tsx";
import { Ago, bridgeNow } from "../parts/time.tsx";
import { showToast } from "../parts/toast.tsx";
import { useDoing, usePoll } from "../poll.ts";
import { linkTo } from "../route.ts";

const everyMs = 2_000;
const sheetsEveryMs = 15_000;

/** State of the bridge at a glance. */
export function OverviewScreen() {
  const connectors = usePoll("connectors", (signal) => get<Page<Connector>>("/api/connectors", {}, signal), everyMs);
  const tally = usePoll("tally", (signal) => get<Tally>("/api/tally", {}, signal), everyMs);
  const items = connectors.data?.items;
  return (
    <>
      <div class="title">
        <h1>Overview</h1>
        {items && <p class="verdict">{verdictOf(items)}</p>}
      </div>
      <Fault problem={connectors.problem} stale={items !== undefined} />
      <Totals tally={tally.data} />
      {items ? <Connectors items={items} refresh={connectors.refresh} /> : <Skeleton />}
      <Alerts />
    </>
  );
}

function verdictOf(connectors: readonly Connector[]): string {
  const down = connectors.filter(({ health }) => health === "DOWN").length;
  const paused = connectors.filter(({ health }) => health === "PAUSED").length;
  const late = connectors.filter(({ breachedSince }) => breachedSince !== undefined).length;
  const held = connectors.reduce((sum, connector) => sum + connector.held, 0);
  const told = [
    ...(down > 0 ? [`${counted(down, "target")} down`] : []),
    ...(paused > 0 ? [`${counted(paused, "connector")} paused`] : []),
    ...(late > 0 ? [`${late} later than their window`] : []),
    ...(held > 0 ? [`${counted(held, "packet")} held for a person`] : []),
  ];
  return told.length === 0 ? "All targets are up, and nothing waits for a person." : `${told.join(" · ")}.`;
}

function Totals({ tally }: { readonly tally: Tally | undefined }) {
  const { packets, events } = tally ?? {};
  const open = packets && packets.QUEUED + packets.RETRY;
  const cells: readonly (readonly [string, number | undefined, string, Query, string?])[] = [
    ["On the way", open, "packets", { status: ["QUEUED", "RETRY"] }],
    ["Held", packets?.HELD, "packets", { status: "HELD" }, packets?.HELD ? "bad" : ""],
    ["Sent", packets?.SENT, "packets", { status: "SENT" }],
    ["Unchanged", packets?.UNCHANGED, "packets", { status: "UNCHANGED" }],
    ["Superseded", packets?.SUPERSEDED, "packets", { status: "SUPERSEDED" }],
    ["Discarded", packets?.DISCARDED, "packets", { status: "DISCARDED" }],
    ["Events", events && events.EXPANDED + events.EXPANDING + events.UNMATCHED, "events", {}],
    ["Quarantined", events?.QUARANTINED, "events", { status: "QUARANTINED" }, events?.QUARANTINED ? "bad" : ""],
  ];
  return (
    <ul class="totals" aria-label="Totals">
      {cells.map(([word, value, screen, query, tone = ""]) => (
        <li key={word}>
          <a href={linkTo(screen, undefined, query)} class={tone}>
            <span>{word}</span>
            <strong>{value === undefined ? "–" : count(value)}</strong>
          </a>
        </li>
      ))}
    </ul>
  );
}

interface ConnectorsProps {
  readonly items: readonly Connector[];
  readonly refresh: () => void;
}

function Connectors({ items, refresh }: ConnectorsProps) {
  const [chosen, setChosen] = useState<string>();
  const sheets = usePoll("sheets", (signal) => get<Page<Sheet>>("/api/sheets", {}, signal), sheetsEveryMs);
  const named = sheets.data && sentTo(items, sheets.data.items);
  const used = items.filter(
    ({ id, lag, lane, outbox, held }) => !named || named.has(id) || lag || lane + outbox + held > 0,
  );
  const spare = items.filter((connector) => !used.includes(connector));
  const shown = items.find(({ id }) => id === chosen) ?? mostTelling(items);
  if (items.length === 0) return <Empty title="No connectors">Put one into the folder connectors/.</Empty>;
  return (
    <>
      <section aria-labelledby="connectors">
        <h2 id="connectors">Connectors</h2>
        {used.length > 0 && <ConnectorTable items={used} refresh={refresh} />}
        {spare.length > 0 && (
          <details>
            <summary>{counted(spare.length, "connector")} no sheet in force sends to</summary>
            <ConnectorTable items={spare} refresh={refresh} />
          </details>
        )}
      </section>
      {shown && (
        <section aria-labelledby="lag">
          <div class="title">
            <h2 id="lag">Lag, last hour</h2>
            <div class="labelled beside">
              <label for="lag-of">Connector</label>
              <select id="lag-of" value={shown.id} onChange={(event) => setChosen(event.currentTarget.value)}>
                {items.map(({ id }) => (
                  <option key={id}>{id}</option>
                ))}
              </select>
            </div>
          </div>
          <LagChart connector={shown} now={bridgeNow()} />
        </section>
      )}
    </>
  );
}

/** Connectors a sheet sends to, by id; by a name alone it means the oldest version. */
function sentTo(items: readonly Connector[], sheets: readonly Sheet[]): ReadonlySet<string> {
  const named = sheets.flatMap(({ targets }) => targets.map(({ connector }) => connector));
  const oldestOf = (wanted: string) =>
    items
      .filter(({ name }) => name === wanted)
      .map(({ id }) => id)
      .toSorted((a, b) => a.localeCompare(b, "en", { numeric: true }))[0];
  return new Set(named.map((name) => oldestOf(name) ?? name));
}

function ConnectorTable({ items, refresh }: ConnectorsProps) {
  return (
    <table class="cards">
      <thead>
        <tr>
          <th scope="col">Connector</th>
          <th scope="col">Health</th>
          <th scope="col">Lag in its window</th>
          <th scope="col" class="number">
            Waiting
          </th>
          <th scope="col" class="number">
            Outbox
          </th>
          <th scope="col" class="number">
            Held
          </th>
          <th scope="col">
            <span class="unseen">Acts</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {items.map((connector) => (
          <Row key={connector.id} connector={connector} refresh={refresh} />
        ))}
      </tbody>
    </table>
  );
}

/** The one in trouble, else the busiest. */
function mostTelling(items: readonly Connector[]): Connector | undefined {
  const weight = ({ health, breachedSince, lag }: Connector) =>
    (breachedSince === undefined ? 0 : 2e9) + (health === "UP" ? 0 : 1e9) + (lag?.count ?? 0);
  return items.toSorted((a, b) => weight(b) - weight(a))[0];
}

function Row({ connector, refresh }: { readonly connector: Connector; readonly refresh: () => void }) {
  const { id, name, version, order, health, since, pause, lag, windowMs, lane, outbox, held, ready } = connector;
  const { breachedSince, oldestWaitingMs, redrivePerSecond, redriveAt } = connector;
  return (
    <tr>
      <th scope="row" class="lead">
        <a href={linkTo("packets", undefined, { connector: id })} data-row>
          {name}
        </a>{" "}
        <small>
          {version} · {order === "strict" ? "strict order" : "latest wins"}
        </small>
        {ready !== undefined && ready !== "yes" && <small class="bad-text">not ready: {ready}</small>}
      </th>
      <td data-label="Health">
        <HealthBadge health={health} />
        <small>
          {pause ? (
            <>
              <Ago at={pause.at} />, by {pause.actor}: {pause.why}
            </>
          ) : (
            since !== undefined && <>for {span(Math.max(0, bridgeNow() - Date.parse(since)))}</>
          )}
        </small>
      </td>
      <td data-label="Lag in its window">
        <Window lag={lag} windowMs={windowMs} />
        {breachedSince !== undefined && (
          <small class="bad-text">
            <Icon name="warn" /> later than its window since <Ago at={breachedSince} />
          </small>
        )}
      </td>
      <td class="number" data-label="Waiting">
        {count(lane)}
        {oldestWaitingMs !== undefined && <small>oldest {span(oldestWaitingMs)}</small>}
      </td>
      <td class="number" data-label="Outbox">
        {count(outbox)}
        {redrivePerSecond !== undefined ? (
          <small>{count(redrivePerSecond)}/s back</small>
        ) : (
          redriveAt !== undefined && (
            <small>
              next <Ago at={redriveAt} />
            </small>
          )
        )}
      </td>
      <td class="number" data-label="Held">
        {held > 0 ? (
          <a href={linkTo("packets", undefined, { connector: id, status: "HELD" })}>{count(held)}</a>
        ) : (
          count(held)
        )}
      </td>
      <td class="acts">
        <Acts connector={connector} refresh={refresh} />
      </td>
    </tr>
  );
}

/** Median and 95th percentile on the way from 1 ms to the end of the window; the scale is logarithmic. */
function Window({ lag, windowMs }: { readonly lag: Lag | undefined; readonly windowMs: number }) {
  if (!lag) return <span class="quiet">nothing sent in the last hour · window {span(windowMs)}</span>;
  const share = (ms: number) => `${Math.min(100, (100 * Math.log10(Math.max(1, ms))) / Math.log10(windowMs))}%`;
  return (
    <div class="window-bar">
      <span>
        <span class="unseen">median </span>
        {span(lag.p50)} <span class="quiet">·</span> <span class="unseen">95th percentile </span>
        {span(lag.p95)} <span class="quiet">of {span(windowMs)}</span>
      </span>
      <span class="track" aria-hidden="true">
        <span class={lag.p95 > windowMs ? "p95 over" : "p95"} style={{ width: share(lag.p95) }} />
        <span class="p50" style={{ left: share(lag.p50) }} />
      </span>
    </div>
  );
}

type Asked = "pause" | "resume" | "redrive";

const asks = {
  pause: { verb: "Pause", what: "Nothing more is sent to it until it is resumed; its packets wait in its outbox." },
  resume: { verb: "Resume", what: "Sends to it again, what waits in its outbox first." },
  redrive: { verb: "Redrive", what: "What waits in its outbox goes back to its lanes now, oldest first." },
} as const;

function Acts({
  connector: { id, health, outbox },
  refresh,
}: {
  readonly connector: Connector;
  readonly refresh: () => void;
}) {
  const [asked, setAsked] = useState<Asked>();
  const { busy, run } = useDoing();
  const probe = () =>
    run(async () => {
      const { awake } = await post<{ awake: boolean }>(`/api/connectors/${encodeURIComponent(id)}/probe`);
      showToast(awake ? `${id} is awake.` : `${id} does not answer.`);
      refresh();
    });
  const act = async (reason: string) => {
    await post(`/api/connectors/${encodeURIComponent(id)}/${asked}`, { reason });
    showToast(`${id}: ${asks[asked ?? "pause"].verb.toLowerCase()} is done.`);
    refresh();
  };
  return (
    <div class="buttons small">
      <button type="button" onClick={probe} disabled={busy} aria-label={`Probe ${id}`}>
        <Icon name="probe" /> Probe
      </button>
      {outbox > 0 && health === "UP" && (
        <button type="button" onClick={() => setAsked("redrive")} aria-label={`Redrive ${id}`}>
          <Icon name="again" /> Redrive
        </button>
      )}
      {health === "PAUSED" ? (
        <button type="button" onClick={() => setAsked("resume")} aria-label={`Resume ${id}`}>
          <Icon name="play" /> Resume
        </button>
      ) : (
        <button type="button" onClick={() => setAsked("pause")} aria-label={`Pause ${id}`}>
          <Icon name="pause" /> Pause
        </button>
      )}
      {asked && (
        <Ask title={`${asks[asked].verb} ${id}`} verb={asks[asked].verb} onClose={() => setAsked(undefined)} act={act}>
          <p>{asks[asked].what}</p>
        </Ask>
      )}
    </div>
  );
}

const alertWords: Readonly<Record<string, string>> = {
  "sync.target.down": "is down",
  "sync.target.recovered": "is up again",
  "sync.packet.held": "has a held packet",
  "sync.window.breached": "is later than its window",
  "sync.window.kept": "keeps its window again",
  "sync.event.quarantined": "was quarantined",
  "sync.ledger.tampered": "was tampered with",
};

function Alerts() {
  const alerts = usePoll("alerts", (signal) => get<Page<Alert>>("/api/alerts", { limit: 12 }, signal), everyMs);
  const items = alerts.data?.items;
  return (
    <section aria-labelledby="alerts">
      <h2 id="alerts">Last alerts</h2>
      {alerts.problem && <p class="quiet">{alerts.problem.detail}</p>}
      {items?.length === 0 && (
        <Empty title="No alerts since this bridge was started">
          When a target goes down, a packet is held or a window is missed, it stands here.
        </Empty>
      )}
      <ul class="alerts">
        {items?.map(({ at, type, subject, data }) => (
          <li key={`${at} ${type} ${subject}`} class={/recovered|kept/.test(type) ? "good" : "bad"}>
            <Icon name={/recovered|kept/.test(type) ? "check" : "warn"} />
            <span>
              <strong>{subject}</strong> {alertWords[type] ?? type}
              {typeof data.packet === "string" && (
                <>
                  : <a href={linkTo("packets", data.packet)}>{data.packet}</a>
                </>
              )}
            </span>
            <Ago at={at} />
          </li>
        ))}
      </ul>
    </section>
  );
}
