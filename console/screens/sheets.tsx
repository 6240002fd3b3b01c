import { get } from "../api.ts";
import type { Page, Sheet } from "../api-types.ts";
import { shortHash, span } from "../format.ts";
import { Copied } from "../parts/copy.tsx";
import { Empty, Fault, Skeleton } from "../parts/loading-states.tsx";
import { usePoll } from "../poll.ts";
import { linkTo } from "../route.ts";

const everyMs = 5_000;

/** The sheets in force: which events go where. */
export function SheetsScreen() {
  const { data, problem } = usePoll("sheets", (signal) => get<Page<Sheet>>("/api/sheets", {}, signal), everyMs);
  return (
    <>
      <div class="title">
        <h1>Sheets</h1>
        <p class="verdict">In force now. A changed file is taken up at once; a faulty one leaves these in force.</p>
      </div>
      <Fault problem={problem} stale={data !== undefined} />
      {!data && !problem && <Skeleton />}
      {data?.items.length === 0 && <Empty title="No sheets">Put one into the folder mappings/.</Empty>}
      {data && data.items.length > 0 && (
        <table class="cards">
          <thead>
            <tr>
              <th scope="col">Sheet</th>
              <th scope="col">Event</th>
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
                <td data-label="Event">{sourceEvents.join(", ")}</td>
                <td data-label="Targets">
                  <ul class="targets">
                    {targets.map(({ name: target, connector, action, fields }) => (
                      <li key={target}>
                        {connector}{" "}
                        <small>
                          {action === "delete" ? "deletes" : fields.map(({ from, to }) => `${from} → ${to}`).join(", ")}
                        </small>
                      </li>
                    ))}
                  </ul>
                </td>
                <td class="number" data-label="Window">
                  {span(windowMs)}
                </td>
                <td data-label="Version">
                  <Copied text={hash} short={shortHash(hash)} what="sheet's hash" />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </>
  );
}
