import { useState } from "preact/hooks";
import { get } from "../api.ts";
import type { Connector, Page, ReplayTrial } from "../api-types.ts";
import { count, counted } from "../format.ts";
import { localTime, Select, Time, timeOf } from "../parts/filter.tsx";
import { Empty } from "../parts/loading-states.tsx";
import { Choice, StartForm } from "../parts/start-job-form.tsx";
import { bridgeNow } from "../parts/time.tsx";
import { usePoll } from "../poll.ts";

const hourMs = 3_600_000;

/** The packets of a past time once more: as after an outage nobody saw, or a target that was restored. */
export function ReplayForm() {
  const connectors = usePoll("connectors", (signal) => get<Page<Connector>>("/api/connectors", {}, signal));
  const [from, setFrom] = useState(() => localTime(bridgeNow() - hourMs));
  const [to, setTo] = useState("");
  const [connector, setConnector] = useState("");
  const [sheet, setSheet] = useState<"pinned" | "current">("pinned");
  const [force, setForce] = useState(false);
  const begin = timeOf(from);
  const end = timeOf(to);
  const request = begin && {
    from: begin,
    ...(end !== undefined && { to: end }),
    ...(connector !== "" && { connector }),
    sheet,
    force,
  };
  return (
    <>
      <div class="title">
        <h1>Replay</h1>
        <p class="verdict">
          Sends the packets of a past time again. What a target holds already stays, and no field goes back to an older
          value.
        </p>
      </div>
      <StartForm<ReplayTrial>
        path="/api/replays"
        request={request || undefined}
        verb="Replay them"
        madeIn={({ looked }) => looked}
        showTrial={(trial) => <Trial trial={trial} />}
      >
        <Time label="Recorded from" value={from} onChange={(given) => setFrom(given ?? "")} />
        <Time label="To; if not said, now" value={to} onChange={(given) => setTo(given ?? "")} />
        <Select
          label="Connector"
          value={connector}
          options={(connectors.data?.items ?? []).map(({ id }) => [id, id])}
          onChange={setConnector}
        />
        <fieldset>
          <legend>With which sheet</legend>
          <Choice name="sheet" checked={sheet === "pinned"} onChange={() => setSheet("pinned")} word="Pinned">
            as each packet was made
          </Choice>
          <Choice name="sheet" checked={sheet === "current"} onChange={() => setSheet("current")} word="Current">
            what today's sheets make of their events
          </Choice>
        </fieldset>
        <fieldset>
          <legend>What a target is believed to hold</legend>
          <Choice name="force" checked={!force} onChange={() => setForce(false)} word="Leave out">
            only what it lacks is sent
          </Choice>
          <Choice name="force" checked={force} onChange={() => setForce(true)} word="Send all the same">
            as after it was restored from a backup
          </Choice>
        </fieldset>
      </StartForm>
    </>
  );
}

function Trial({ trial: { looked, sent, unchanged, superseded, held } }: { readonly trial: ReplayTrial }) {
  if (looked === 0) return <Empty title="No packet was recorded then">Choose another time, and preview again.</Empty>;
  const fates = [
    ["would be sent", sent],
    ["the target holds already", unchanged],
    ["are older than what it holds", superseded],
    ["would be held", held],
  ] as const;
  return (
    <>
      <p>
        <strong>{counted(sent, "packet")}</strong> of {count(looked)} would be sent.
      </p>
      <dl class="facts">
        {fates.map(([word, value]) => (
          <div key={word}>
            <dt>{word}</dt>
            <dd>{count(value)}</dd>
          </div>
        ))}
      </dl>
    </>
  );
}
