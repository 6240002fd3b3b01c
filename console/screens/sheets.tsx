import { get } from "../api.ts";
import type { Page, Sheet } from "../api-types.ts";
import { formatDuration, shortHash } from "../format.ts";
import { CopyableText } from "../parts/copy.tsx";
import { Empty, ProblemAlert, Skeleton } from "../parts/loading-states.tsx";
import { usePoll } from "../poll.ts";
import { linkTo } from "../route.ts";

const everyMs = 5_000;

/** The current sheets, with their events and targets. */
export function SheetsScreen() {
  const { data, problem } = usePoll("sheets", (signal) => get<Page<Sheet>>("/api/sheets", {}, signal), everyMs);
  return (
    <>
      <div class="title">
        <h1>Sheets</h1>
        <p class="subtitle">The sheets in use now. Changed files take effect at once, unless one has errors.</p>
      </div>
      <ProblemAlert problem={problem} stale={data !== undefined} />
      {!data && !problem && <Skeleton />}
      {data?.items.length === 0 && <Empty title="No sheets">Add a file to the mappings/ folder.</Empty>}
      {data && data.items.length > 0 && (
        <table class="cards">
          <thead>
            <tr>
              <th scope="col">Sheet</th>
              <th scope="col">Events</th>
              <th scope="col">Targets</th>
              <th scope="col" class="number">
                Window
              </th>
              <th scope="col">Version</th>
            </tr>
          </thead>
          <tbody>
            {data.items.map(({ name, hash, sourceEvents, targets, windowMs }) => (
              <tr key={name}>
                <th scope="row" class="lead">
                  <a href={linkTo("sheets", name)} data-row>
                    {name}
                  </a>
                </th>
                <td data-label="Events">{sourceEvents.join(", ")}</td>
                <td data-label="Targets">
                  <ul class="targets">
                    {targets.map(({ name: target, connector, action, fields }) => (
                      <li key={target}>
                        {connector}{" "}
                        <small>
                          {action === "delete"
                            ? "deletes the record"
                            : fields.map(({ from, to }) => `${from} → ${to}`).join(", ")}
                        </small>
                      </li>
                    ))}
                  </ul>
                </td>
                <td class="number" data-label="Window">
                  {formatDuration(windowMs)}
                </td>
                <td data-label="Version">
                  <CopyableText text={hash} short={shortHash(hash)} name="sheet hash" />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </>
  );
}
