import { useState } from "preact/hooks";
import { get, post, type Query } from "../api.ts";
import type { Alert, Connector, Lag, Page, Sheet, Tally } from "../api-types.ts";
import { counted, formatCount, formatDuration } from "../format.ts";
import { HealthBadge } from "../parts/badge.tsx";
import { LagChart } from "../parts/chart.tsx";
import { ReasonDialog } from "../parts/dialog.tsx";
import { Icon } from "../parts/icon.tsx";
import { Empty, ProblemAlert, Skeleton } from "../parts/loading-states.tsx";
import { Ago, bridgeNow } from "../parts/time.tsx";
import { showToast } from "../parts/toast.tsx";
import { useAction, usePoll } from "../poll.ts";
import { linkTo } from "../route.ts";

const pollMs = 2_000;
const sheetsPollMs = 15_000;

/** Totals, connectors with their health and lag, and the latest alerts. */
export function OverviewScreen() {
  const connectors = usePoll("connectors", (signal) => get<Page<Connector>>("/api/connectors", {}, signal), pollMs);
  const tally = usePoll("tally", (signal) => get<Tally>("/api/tally", {}, signal), pollMs);
  const items = connectors.data?.items;
  return (
    <>
      <div class="title">
        <h1>Overview</h1>
        {items && <p class="subtitle">{summaryOf(items)}</p>}
      </div>
      <ProblemAlert problem={connectors.problem} stale={items !== undefined} />
      <Totals tally={tally.data} />
      {items ? <Connectors items={items} refresh={connectors.refresh} /> : <Skeleton />}
      <Alerts />
    </>
  );
}

function summaryOf(connectors: readonly Connector[]): string {
  const down = connectors.filter(({ health }) => health === "DOWN").length;
  const paused = connectors.filter(({ health }) => health === "PAUSED").length;
  const late = connectors.filter(({ breachedSince }) => breachedSince !== undefined).length;
  const held = connectors.reduce((sum, connector) => sum + connector.held, 0);
  const parts = [
    ...(down > 0 ? [`${counted(down, "target")} down`] : []),
    ...(paused > 0 ? [`${counted(paused, "connector")} paused`] : []),
    ...(late > 0 ? [`${counted(late, "connector")} past ${late === 1 ? "its" : "their"} window`] : []),
    ...(held > 0 ? [`${counted(held, "packet")} held`] : []),
  ];
  return parts.length === 0 ? "All targets are up and no packets are held." : parts.join(" · ");
}

function Totals({ tally }: { readonly tally: Tally | undefined }) {
  const { packets, events } = tally ?? {};
  const open = packets && packets.QUEUED + packets.RETRY;
  const cells: readonly (readonly [string, number | undefined, string, Query, string?])[] = [
    ["In progress", open, "packets", { status: ["QUEUED", "RETRY"] }],
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
      {cells.map(([label, value, screen, query, tone = ""]) => (
        <li key={label}>
          <a href={linkTo(screen, undefined, query)} class={tone}>
            <span>{label}</span>
            <strong>{value === undefined ? "–" : formatCount(value)}</strong>
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
  const sheets = usePoll("sheets", (signal) => get<Page<Sheet>>("/api/sheets", {}, signal), sheetsPollMs);
  const mapped = sheets.data && mappedConnectors(items, sheets.data.items);
  const used = items.filter(
    ({ id, lag, lane, outbox, held }) => !mapped || mapped.has(id) || lag || lane + outbox + held > 0,
  );
  const unused = items.filter((connector) => !used.includes(connector));
  const shown = items.find(({ id }) => id === chosen) ?? mostRelevant(items);
  if (items.length === 0) return <Empty title="No connectors">Add a file to the connectors/ folder.</Empty>;
  return (
    <>
      <section aria-labelledby="connectors">
        <h2 id="connectors">Connectors</h2>
        {used.length > 0 && <ConnectorTable items={used} refresh={refresh} />}
        {unused.length > 0 && (
          <details>
            <summary>{counted(unused.length, "connector")} not used by any current sheet</summary>
            <ConnectorTable items={unused} refresh={refresh} />
          </details>
        )}
      </section>
      {shown && (
        <section aria-labelledby="lag">
          <div class="title">
            <h2 id="lag">Lag in the last hour</h2>
            <div class="labeled beside">
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

/** Returns the ids of the connectors that sheets use. A name without a version means the oldest version. */
function mappedConnectors(items: readonly Connector[], sheets: readonly Sheet[]): ReadonlySet<string> {
  const references = sheets.flatMap(({ targets }) => targets.map(({ connector }) => connector));
  const oldestOf = (wanted: string) =>
    items
      .filter(({ name }) => name === wanted)
      .map(({ id }) => id)
      .toSorted((a, b) => a.localeCompare(b, "en", { numeric: true }))[0];
  return new Set(references.map((name) => oldestOf(name) ?? name));
}

function ConnectorTable({ items, refresh }: ConnectorsProps) {
  return (
    <table class="cards">
      <thead>
        <tr>
          <th scope="col">Connector</th>
          <th scope="col">Health</th>
          <th scope="col">Lag vs. window</th>
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
            <span class="visually-hidden">Actions</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {items.map((connector) => (
          <ConnectorRow key={connector.id} connector={connector} refresh={refresh} />
        ))}
      </tbody>
    </table>
  );
}

/** Returns the connector whose lag is shown first: one that is late or not up, else the busiest. */
function mostRelevant(items: readonly Connector[]): Connector | undefined {
  const weight = ({ health, breachedSince, lag }: Connector) =>
    (breachedSince === undefined ? 0 : 2e9) + (health === "UP" ? 0 : 1e9) + (lag?.count ?? 0);
  return items.toSorted((a, b) => weight(b) - weight(a))[0];
}

function ConnectorRow({ connector, refresh }: { readonly connector: Connector; readonly refresh: () => void }) {
  const { id, name, version, order, health, since, pause, moved, lag, windowMs, lane, outbox, held, ready } = connector;
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
        {moved && (
          <small class="bad-text">
            {moved.why}. If it is another system: <code>bridge shadow forget {id}</code>. If it is the same system:{" "}
            <code>bridge connectors confirm {id}</code>
          </small>
        )}
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
            since !== undefined && <>for {formatDuration(Math.max(0, bridgeNow() - Date.parse(since)))}</>
          )}
        </small>
      </td>
      <td data-label="Lag vs. window">
        <LagBar lag={lag} windowMs={windowMs} />
        {breachedSince !== undefined && (
          <small class="bad-text">
            <Icon name="warn" /> past its window for{" "}
            {formatDuration(Math.max(0, bridgeNow() - Date.parse(breachedSince)))}
          </small>
        )}
      </td>
      <td class="number" data-label="Waiting">
        {formatCount(lane)}
        {oldestWaitingMs !== undefined && <small>oldest {formatDuration(oldestWaitingMs)}</small>}
      </td>
      <td class="number" data-label="Outbox">
        {formatCount(outbox)}
        {redrivePerSecond !== undefined ? (
          <small>redriving at {formatCount(redrivePerSecond)}/s</small>
        ) : (
          redriveAt !== undefined && (
            <small>
              next redrive <Ago at={redriveAt} />
            </small>
          )
        )}
      </td>
      <td class="number" data-label="Held">
        {held > 0 ? (
          <a href={linkTo("packets", undefined, { connector: id, status: "HELD" })}>{formatCount(held)}</a>
        ) : (
          formatCount(held)
        )}
      </td>
      <td class="actions">
        <ConnectorButtons connector={connector} refresh={refresh} />
      </td>
    </tr>
  );
}

/** Median and 95th percentile of the lag on a logarithmic scale from 1 ms to the end of the window. */
function LagBar({ lag, windowMs }: { readonly lag: Lag | undefined; readonly windowMs: number }) {
  if (!lag) return <span class="quiet">nothing sent in the last hour · window: {formatDuration(windowMs)}</span>;
  const share = (ms: number) => `${Math.min(100, (100 * Math.log10(Math.max(1, ms))) / Math.log10(windowMs))}%`;
  return (
    <div class="window-bar">
      <span>
        <span class="visually-hidden">median </span>
        {formatDuration(lag.p50)} <span class="quiet">·</span> <span class="visually-hidden">95th percentile </span>
        {formatDuration(lag.p95)} <span class="quiet">of {formatDuration(windowMs)}</span>
      </span>
      <span class="track" aria-hidden="true">
        <span class={lag.p95 > windowMs ? "p95 over" : "p95"} style={{ width: share(lag.p95) }} />
        <span class="p50" style={{ left: share(lag.p50) }} />
      </span>
    </div>
  );
}

type ConnectorOperation = "pause" | "resume" | "redrive";

const operations = {
  pause: {
    verb: "Pause",
    done: "Paused",
    effect: "Stops sending through this connector until it is resumed. Its packets wait in the outbox.",
  },
  resume: {
    verb: "Resume",
    done: "Resumed",
    effect: "Sends through this connector again, beginning with the packets in the outbox.",
  },
  redrive: {
    verb: "Redrive",
    done: "Started a redrive of",
    effect: "Moves the packets in the outbox back to their lanes now, oldest first.",
  },
} as const;

interface ConnectorButtonsProps {
  readonly connector: Connector;
  readonly refresh: () => void;
}

function ConnectorButtons({ connector: { id, health, outbox }, refresh }: ConnectorButtonsProps) {
  const [chosen, setChosen] = useState<ConnectorOperation>();
  const { busy, run } = useAction();
  const path = `/api/connectors/${encodeURIComponent(id)}`;
  const probe = () =>
    run(async () => {
      const { awake } = await post<{ awake: boolean }>(`${path}/probe`);
      showToast(awake ? `${id} is up.` : `${id} is not responding.`);
      refresh();
    });
  const operate = async (operation: ConnectorOperation, reason: string) => {
    await post(`${path}/${operation}`, { reason });
    showToast(`${operations[operation].done} ${id}.`);
    refresh();
  };
  return (
    <div class="buttons small">
      <button type="button" onClick={probe} disabled={busy} aria-label={`Probe ${id}`}>
        <Icon name="probe" /> Probe
      </button>
      {outbox > 0 && health === "UP" && (
        <button type="button" onClick={() => setChosen("redrive")} aria-label={`Redrive ${id}`}>
          <Icon name="again" /> Redrive
        </button>
      )}
      {health === "PAUSED" ? (
        <button type="button" onClick={() => setChosen("resume")} aria-label={`Resume ${id}`}>
          <Icon name="play" /> Resume
        </button>
      ) : (
        <button type="button" onClick={() => setChosen("pause")} aria-label={`Pause ${id}`}>
          <Icon name="pause" /> Pause
        </button>
      )}
      {chosen && (
        <ReasonDialog
          title={`${operations[chosen].verb} ${id}`}
          verb={operations[chosen].verb}
          onClose={() => setChosen(undefined)}
          run={(reason) => operate(chosen, reason)}
        >
          <p>{operations[chosen].effect}</p>
        </ReasonDialog>
      )}
    </div>
  );
}

const alertTexts: Readonly<Record<string, string>> = {
  "sync.target.down": "is down",
  "sync.target.recovered": "is up again",
  "sync.packet.held": "has a held packet",
  "sync.window.breached": "is past its window",
  "sync.window.kept": "is within its window again",
  "sync.event.quarantined": "was quarantined",
  "sync.event.reused": "has the id of an earlier event with other content",
  "sync.connector.moved": "has another address, and waits for a decision",
  "sync.sequence.restarted": "got a sequence that started again",
  "sync.order.mixed": "got changes with and without a sequence or time",
  "sync.packet.late": "got a packet out of order",
  "sync.connector.missing": "is no longer installed, and packets wait for it",
  "sync.ledger.tampered": "was tampered with",
};

function Alerts() {
  const alerts = usePoll("alerts", (signal) => get<Page<Alert>>("/api/alerts", { limit: 12 }, signal), pollMs);
  const items = alerts.data?.items;
  return (
    <section aria-labelledby="alerts">
      <h2 id="alerts">Latest alerts</h2>
      {alerts.problem && <p class="quiet">{alerts.problem.detail}</p>}
      {items?.length === 0 && (
        <Empty title="No alerts since the bridge started">
          An alert appears here when a target goes down, a packet is held, or a window is missed.
        </Empty>
      )}
      <ul class="alerts">
        {items?.map(({ at, type, subject, data }) => (
          <li key={`${at} ${type} ${subject}`} class={/recovered|kept/.test(type) ? "good" : "bad"}>
            <Icon name={/recovered|kept/.test(type) ? "check" : "warn"} />
            <span>
              <strong>{subject}</strong> {alertTexts[type] ?? type}
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
