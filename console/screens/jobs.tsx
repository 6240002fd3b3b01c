import { useEffect, useRef, useState } from "preact/hooks";
import { get, post } from "../api.ts";
import type { Job, Page } from "../api-types.ts";
import { count, counted, span } from "../format.ts";
import { JobBadge } from "../parts/badge.tsx";
import { Copied } from "../parts/copy.tsx";
import { Icon } from "../parts/icon.tsx";
import { Empty, Fault, Skeleton } from "../parts/loading-states.tsx";
import { Ago, bridgeNow } from "../parts/time.tsx";
import { showToast } from "../parts/toast.tsx";
import { useDoing, usePoll } from "../poll.ts";
import { linkTo } from "../route.ts";

const everyMs = 1_000;
const kinds = { replay: "Replay", backfill: "Back-fill", bulk: "Bulk act" } as const;

/** Replays, back-fills and bulk operations, with their progress. */
export function JobsScreen() {
  const { data, problem, refresh } = usePoll(
    "jobs",
    (signal) => get<Page<Job>>("/api/jobs", { limit: 50 }, signal),
    everyMs,
  );
  useEnds(data?.items);
  return (
    <>
      <div class="title">
        <h1>Jobs</h1>
        <div class="buttons">
          <a class="button" href={linkTo("jobs", "replay")}>
            <Icon name="again" /> Replay
          </a>
          <a class="button" href={linkTo("jobs", "backfill")}>
            <Icon name="down" /> Back-fill
          </a>
        </div>
      </div>
      <p class="quiet">Work that takes long. It goes on where it was when the bridge is started again.</p>
      <Fault problem={problem} stale={data !== undefined} />
      {!data && !problem && <Skeleton />}
      {data?.items.length === 0 && (
        <Empty title="No jobs yet">
          Send a past time again by <a href={linkTo("jobs", "replay")}>Replay</a>, take old data to a new target by{" "}
          <a href={linkTo("jobs", "backfill")}>Back-fill</a>, or do the same to many held packets under{" "}
          <a href={linkTo("bulk")}>Bulk</a>.
        </Empty>
      )}
      <ul class="jobs">
        {data?.items.map((job) => (
          <JobCard key={job.id} job={job} refresh={refresh} />
        ))}
      </ul>
    </>
  );
}

/** Shows a toast when a job that was running ends. */
function useEnds(jobs: readonly Job[] | undefined): void {
  const running = useRef(new Set<string>());
  useEffect(() => {
    for (const { id, kind, status, made } of jobs ?? []) {
      if (status === "RUNNING") running.current.add(id);
      else if (running.current.delete(id))
        showToast(`${kinds[kind]} is ${status.toLowerCase()}: ${count(made)} packets.`);
    }
  }, [jobs]);
}

function JobCard({ job, refresh }: { readonly job: Job; readonly refresh: () => void }) {
  const { id, kind, status, malformed, reason } = job;
  const [sure, setSure] = useState(false);
  const { busy, problem, run } = useDoing();
  const cancel = () =>
    run(async () => {
      await post(`/api/jobs/${id}/cancel`);
      setSure(false);
      refresh();
    });
  return (
    <li class="card">
      <div class="title">
        <h2>
          {kinds[kind]} <JobBadge status={status} />
        </h2>
        {status === "RUNNING" &&
          (sure ? (
            <div class="buttons small">
              <button type="button" onClick={() => setSure(false)}>
                Go on
              </button>
              <button type="button" class="danger" disabled={busy} onClick={cancel}>
                End it here
              </button>
            </div>
          ) : (
            <div class="buttons small">
              <button type="button" aria-label={`Cancel ${id}`} onClick={() => setSure(true)}>
                Cancel
              </button>
            </div>
          ))}
      </div>
      {status === "RUNNING" && <progress aria-label={`${kinds[kind]} is running`} />}
      <JobFacts job={job} />
      {reason !== undefined && <p class={status === "FAILED" ? "bad-text" : "quiet"}>{reason}</p>}
      {malformed && malformed.lines > 0 && (
        <p class="bad-text">
          {counted(malformed.lines, "line is malformed", "lines are malformed")}: {malformed.first.join("; ")}
        </p>
      )}
      <Fault problem={problem} />
    </li>
  );
}

function JobFacts({ job }: { readonly job: Job }) {
  const { id, actor, startedAt, endedAt, looked, made, perSecond } = job;
  const ms = (endedAt === undefined ? bridgeNow() : Date.parse(endedAt)) - Date.parse(startedAt);
  return (
    <dl class="facts">
      <div>
        <dt>Looked at</dt>
        <dd>{count(looked)}</dd>
      </div>
      <div>
        <dt>Packets made</dt>
        <dd>{count(made)}</dd>
      </div>
      <div>
        <dt>Pace</dt>
        <dd>
          {ms > 0 ? count(Math.round((made * 1_000) / ms)) : 0}/s
          {perSecond !== undefined && <span class="quiet"> of {count(perSecond)}/s</span>}
        </dd>
      </div>
      <div>
        <dt>Took</dt>
        <dd>{span(ms)}</dd>
      </div>
      <div>
        <dt>Began</dt>
        <dd>
          <Ago at={startedAt} /> <span class="quiet">by {actor}</span>
        </dd>
      </div>
      <div>
        <dt>Id</dt>
        <dd>
          <Copied text={id} what="job's id" />
        </dd>
      </div>
    </dl>
  );
}
