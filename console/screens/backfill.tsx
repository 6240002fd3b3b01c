import { useId, useState } from "preact/hooks";
import { get } from "../api.ts";
import type { BackfillTrial, Page, Sheet } from "../api-types.ts";
import { count, counted } from "../format.ts";
import { localTime, Time, timeOf } from "../parts/filter.tsx";
import { Empty, Fault, Skeleton } from "../parts/loading-states.tsx";
import { Choice, StartForm } from "../parts/start-job-form.tsx";
import { bridgeNow } from "../parts/time.tsx";
import { usePoll } from "../poll.ts";
import { linkTo } from "../route.ts";

const monthMs = 30 * 86_400_000;

/** Sends old data to targets that have not seen it, from recorded events or from a file with one event per line. */
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
        <h1>Back-fill</h1>
        <p class="verdict">
          Takes old data through today's sheets to chosen targets. What exists already is not made again, and what is
          newer at a target stays.
        </p>
      </div>
      <Fault problem={sheets.problem} />
      <StartForm<BackfillTrial>
        path="/api/backfills"
        request={from && targets.length > 0 ? { targets: targets.toSorted(), from } : undefined}
        verb="Back-fill them"
        madeIn={({ targets: made }) => Object.values(made).reduce((sum, target) => sum + target.made, 0)}
        showTrial={(trial) => <Trial trial={trial} />}
      >
        <fieldset class="whole">
          <legend>Where it comes from</legend>
          <div class="choices wide">
            <Choice name="kind" checked={kind === "events"} onChange={() => setKind("events")} word="Recorded events">
              what HMS has published since a time
            </Choice>
            <Choice name="kind" checked={kind === "file"} onChange={() => setKind("file")} word="A snapshot">
              a file with an event a line
            </Choice>
          </div>
        </fieldset>
        {kind === "events" ? (
          <>
            <Time label="Accepted from" value={since} onChange={(given) => setSince(given ?? "")} />
            <Time label="Until; if not said, now" value={until} onChange={(given) => setUntil(given ?? "")} />
          </>
        ) : (
          <>
            <FileAddress value={file} onInput={setFile} />
            <Time label="Time of lines that name none" value={asOf} onChange={(given) => setAsOf(given ?? "")} />
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
    <div class="labelled">
      <label for={id}>The file's address</label>
      <input
        id={id}
        type="text"
        autocomplete="off"
        spellcheck={false}
        placeholder="file:///srv/rosters/may.ndjson"
        value={value}
        aria-describedby={`${id}-where`}
        onInput={(event) => onInput(event.currentTarget.value)}
      />
      <small id={`${id}-where`}>In a place the bridge may read from; on AWS s3:// and its key.</small>
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
  const toggled = (target: string) =>
    onChange(chosen.includes(target) ? chosen.filter((one) => one !== target) : [...chosen, target]);
  return (
    <fieldset class="whole">
      <legend>Targets</legend>
      {isLoading && <Skeleton lines={3} />}
      <div class="choices">
        {sheets?.flatMap(({ name, targets: all }) =>
          all.map(({ name: target, connector }) => {
            const id = `${name}.${target}`;
            return (
              <label key={id} class="choice">
                <input type="checkbox" checked={chosen.includes(id)} onChange={() => toggled(id)} />
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

function Trial({ trial: { looked, malformed, targets } }: { readonly trial: BackfillTrial }) {
  const rows = Object.entries(targets);
  if (looked === 0) return <Empty title="There is nothing to look at">Choose an earlier time, or another file.</Empty>;
  return (
    <>
      <p>
        <strong>
          {counted(
            rows.reduce((sum, [, { made }]) => sum + made, 0),
            "packet",
          )}
        </strong>{" "}
        would be made of {counted(looked, "event")}.
      </p>
      {malformed.lines > 0 && (
        <div class="bad-text">
          <p>{counted(malformed.lines, "line is no event", "lines are no events")}:</p>
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
              Would be made
            </th>
            <th scope="col" class="number">
              Of them held
            </th>
            <th scope="col" class="number">
              Exist already
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map(([target, { made, held, there }]) => (
            <tr key={target}>
              <th scope="row" class="lead">
                <a href={linkTo("sheets", target.split(".")[0])}>{target}</a>
              </th>
              <td class="number" data-label="Would be made">
                {count(made)}
              </td>
              <td class="number" data-label="Of them held">
                {held > 0 ? <span class="bad-text">{count(held)}</span> : count(held)}
              </td>
              <td class="number" data-label="Exist already">
                {count(there)}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}
