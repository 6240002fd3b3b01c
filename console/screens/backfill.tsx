import { useId, useState } from "preact/hooks";
import { get } from "../api.ts";
import type { BackfillPreview, Page, Sheet } from "../api-types.ts";
import { counted, formatCount } from "../format.ts";
import { localTime, TimeInput, timeOf } from "../parts/filter.tsx";
import { Empty, ProblemAlert, Skeleton } from "../parts/loading-states.tsx";
import { Choice, StartForm } from "../parts/start-job-form.tsx";
import { bridgeNow } from "../parts/time.tsx";
import { usePoll } from "../poll.ts";
import { linkTo } from "../route.ts";

const monthMs = 30 * 86_400_000;

/** Sends old data to chosen targets, from recorded events or from a file with one event per line. */
export function BackfillForm() {
  const sheets = usePoll("sheets", (signal) => get<Page<Sheet>>("/api/sheets", {}, signal));
  const [kind, setKind] = useState<"events" | "file">("events");
  const [since, setSince] = useState(() => localTime(bridgeNow() - monthMs));
  const [until, setUntil] = useState("");
  const [file, setFile] = useState("");
  const [asOf, setAsOf] = useState("");
  const [targets, setTargets] = useState<readonly string[]>([]);
  const from = kind === "events" ? eventsFrom(since, until) : fileFrom(file, asOf);
  return (
    <>
      <div class="title">
        <h1>Backfill</h1>
        <p class="subtitle">
          Sends old data through the current sheets to the targets you choose. Packets that already exist are not
          created again, and newer values at a target stay.
        </p>
      </div>
      <ProblemAlert problem={sheets.problem} />
      <StartForm<BackfillPreview>
        path="/api/backfills"
        request={from && targets.length > 0 ? { targets: targets.toSorted(), from } : undefined}
        submitLabel="Start backfill"
        packetsIn={packetsIn}
        renderPreview={(preview) => <PreviewResult preview={preview} />}
      >
        <fieldset class="whole">
          <legend>Source of the data</legend>
          <div class="choices wide">
            <Choice name="kind" checked={kind === "events"} onChange={() => setKind("events")} label="Recorded events">
              events that HMS published in a period
            </Choice>
            <Choice name="kind" checked={kind === "file"} onChange={() => setKind("file")} label="Snapshot file">
              a file with one event per line
            </Choice>
          </div>
        </fieldset>
        {kind === "events" ? (
          <>
            <TimeInput label="Accepted from" value={since} onChange={(value) => setSince(value ?? "")} />
            <TimeInput label="Until (default: now)" value={until} onChange={(value) => setUntil(value ?? "")} />
          </>
        ) : (
          <>
            <FileAddress value={file} onInput={setFile} />
            <TimeInput label="Time for lines without a time" value={asOf} onChange={(value) => setAsOf(value ?? "")} />
          </>
        )}
        <TargetChoices
          sheets={sheets.data?.items}
          isLoading={!sheets.data && !sheets.problem}
          chosen={targets}
          onChange={setTargets}
        />
      </StartForm>
    </>
  );
}

interface FileAddressProps {
  readonly value: string;
  readonly onInput: (file: string) => void;
}

function FileAddress({ value, onInput }: FileAddressProps) {
  const id = useId();
  return (
    <div class="labeled">
      <label for={id}>File URL</label>
      <input
        id={id}
        type="text"
        autocomplete="off"
        spellcheck={false}
        placeholder="file:///srv/rosters/may.ndjson"
        value={value}
        aria-describedby={`${id}-hint`}
        onInput={(event) => onInput(event.currentTarget.value)}
      />
      <small id={`${id}-hint`}>A file: URL in a folder that the bridge may read, or an s3: URL on AWS.</small>
    </div>
  );
}

interface TargetChoicesProps {
  readonly sheets: readonly Sheet[] | undefined;
  readonly isLoading: boolean;
  readonly chosen: readonly string[];
  readonly onChange: (chosen: readonly string[]) => void;
}

function TargetChoices({ sheets, isLoading, chosen, onChange }: TargetChoicesProps) {
  const toggle = (target: string) =>
    onChange(chosen.includes(target) ? chosen.filter((name) => name !== target) : [...chosen, target]);
  return (
    <fieldset class="whole">
      <legend>Targets</legend>
      {isLoading && <Skeleton lines={3} />}
      <div class="choices">
        {sheets?.flatMap(({ name, targets }) =>
          targets.map(({ name: target, connector }) => {
            const id = `${name}.${target}`;
            return (
              <label key={id} class="choice">
                <input type="checkbox" checked={chosen.includes(id)} onChange={() => toggle(id)} />
                <span>
                  {id} <small>{connector}</small>
                </span>
              </label>
            );
          }),
        )}
      </div>
    </fieldset>
  );
}

function eventsFrom(since: string, until: string): object | undefined {
  const begin = timeOf(since);
  const end = timeOf(until);
  return begin === undefined ? undefined : { since: begin, ...(end !== undefined && { until: end }) };
}

function fileFrom(file: string, asOf: string): object | undefined {
  const at = timeOf(asOf);
  return file.trim() === "" ? undefined : { file: file.trim(), ...(at !== undefined && { asOf: at }) };
}

function packetsIn({ targets }: BackfillPreview): number {
  return Object.values(targets).reduce((sum, { made }) => sum + made, 0);
}

function PreviewResult({ preview }: { readonly preview: BackfillPreview }) {
  const { looked, malformed, targets } = preview;
  if (looked === 0) return <Empty title="No events found">Choose an earlier time or another file.</Empty>;
  return (
    <>
      <p>
        <strong>{counted(packetsIn(preview), "packet")}</strong> would be created from {counted(looked, "event")}.
      </p>
      {malformed.lines > 0 && (
        <div class="bad-text">
          <p>{counted(malformed.lines, "line is not a valid event", "lines are not valid events")}:</p>
          <ul>
            {malformed.first.map((line) => (
              <li key={line}>{line}</li>
            ))}
          </ul>
        </div>
      )}
      <table class="cards">
        <thead>
          <tr>
            <th scope="col">Target</th>
            <th scope="col" class="number">
              Would be created
            </th>
            <th scope="col" class="number">
              Would be held
            </th>
            <th scope="col" class="number">
              Already exist
            </th>
          </tr>
        </thead>
        <tbody>
          {Object.entries(targets).map(([target, { made, held, there }]) => (
            <tr key={target}>
              <th scope="row" class="lead">
                <a href={linkTo("sheets", target.split(".")[0])}>{target}</a>
              </th>
              <td class="number" data-label="Would be created">
                {formatCount(made)}
              </td>
              <td class="number" data-label="Would be held">
                {held > 0 ? <span class="bad-text">{formatCount(held)}</span> : formatCount(held)}
              </td>
              <td class="number" data-label="Already exist">
                {formatCount(there)}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}
