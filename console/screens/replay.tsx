import { useState } from "preact/hooks";
import { get } from "../api.ts";
import type { Connector, Page, ReplayPreview } from "../api-types.ts";
import { counted, formatCount } from "../format.ts";
import { localTime, Select, TimeInput, timeOf } from "../parts/filter.tsx";
import { Empty } from "../parts/loading-states.tsx";
import { Choice, StartForm } from "../parts/start-job-form.tsx";
import { bridgeNow } from "../parts/time.tsx";
import { usePoll } from "../poll.ts";

const hourMs = 3_600_000;

/** Resends the packets of a past period, for example after a target was restored from a backup. */
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
        <p class="subtitle">
          Resends the packets of a past period. Values that a target already holds are skipped unless you choose
          otherwise, and no field returns to an older value.
        </p>
      </div>
      <StartForm<ReplayPreview>
        path="/api/replays"
        request={request || undefined}
        submitLabel="Start replay"
        packetsIn={({ looked }) => looked}
        renderPreview={(preview) => <PreviewResult preview={preview} />}
      >
        <TimeInput label="Recorded from" value={from} onChange={(value) => setFrom(value ?? "")} />
        <TimeInput label="To (default: now)" value={to} onChange={(value) => setTo(value ?? "")} />
        <Select
          label="Connector"
          value={connector}
          options={(connectors.data?.items ?? []).map(({ id }) => [id, id])}
          onChange={setConnector}
        />
        <fieldset>
          <legend>Sheet version</legend>
          <Choice name="sheet" checked={sheet === "pinned"} onChange={() => setSheet("pinned")} label="Pinned">
            the version that created each packet
          </Choice>
          <Choice name="sheet" checked={sheet === "current"} onChange={() => setSheet("current")} label="Current">
            maps each event again with the current sheet
          </Choice>
        </fieldset>
        <fieldset>
          <legend>Values that a target already holds</legend>
          <Choice name="force" checked={!force} onChange={() => setForce(false)} label="Skip">
            sends only changes
          </Choice>
          <Choice name="force" checked={force} onChange={() => setForce(true)} label="Send again">
            for a target that was restored from a backup
          </Choice>
        </fieldset>
      </StartForm>
    </>
  );
}

interface PreviewResultProps {
  readonly preview: ReplayPreview;
}

function PreviewResult({ preview: { looked, sent, unchanged, superseded, held } }: PreviewResultProps) {
  if (looked === 0)
    return <Empty title="No packets were recorded in this period">Choose another period and preview again.</Empty>;
  const results = [
    ["Would be sent", sent],
    ["Already at the target", unchanged],
    ["Older than the target's values", superseded],
    ["Would be held", held],
  ] as const;
  return (
    <>
      <p>
        <strong>
          {formatCount(sent)} of {counted(looked, "packet")}
        </strong>{" "}
        would be sent.
      </p>
      <dl class="facts">
        {results.map(([label, value]) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd>{formatCount(value)}</dd>
          </div>
        ))}
      </dl>
    </>
  );
}
