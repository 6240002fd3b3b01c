import { useEffect, useRef, useState } from "preact/hooks";
import { get, post } from "../api.ts";
import type { Job, Page } from "../api-types.ts";
import { counted, formatCount, formatDuration } from "../format.ts";
import { JobBadge } from "../parts/badge.tsx";
import { CopyableText } from "../parts/copy.tsx";
import { Icon } from "../parts/icon.tsx";
import { Empty, ProblemAlert, Skeleton } from "../parts/loading-states.tsx";
import { Ago, bridgeNow } from "../parts/time.tsx";
import { showToast } from "../parts/toast.tsx";
import { useAction, usePoll } from "../poll.ts";
import { linkTo } from "../route.ts";

const everyMs = 1_000;
const kindLabels = { replay: "Replay", backfill: "Backfill", bulk: "Bulk operation" } as const;
const endLabels = { DONE: "done", FAILED: "failed", CANCELLED: "canceled" } as const;

/** Replays, backfills and bulk operations, with their progress. */
export function JobsScreen() {
  const { data, problem, refresh } = usePoll(
    "jobs",
    (signal) => get<Page<Job>>("/api/jobs", { limit: 50 }, signal),
    everyMs,
  );
  useJobToasts(data?.items);
  return (
    <>
      <div class="title">
        <h1>Jobs</h1>
        <div class="buttons">
          <a class="button" href={linkTo("jobs", "replay")}>
            <Icon name="again" /> Replay
          </a>
          <a class="button" href={linkTo("jobs", "backfill")}>
            <Icon name="down" /> Backfill
          </a>
        </div>
      </div>
      <p class="quiet">Long-running work. If the bridge restarts, a job continues where it stopped.</p>
      <ProblemAlert problem={problem} stale={data !== undefined} />
      {!data && !problem && <Skeleton />}
      {data?.items.length === 0 && (
        <Empty title="No jobs yet">
          Resend the packets of a past period with <a href={linkTo("jobs", "replay")}>Replay</a>, send old data to a new
          target with <a href={linkTo("jobs", "backfill")}>Backfill</a>, or release or discard many held packets under{" "}
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
function useJobToasts(jobs: readonly Job[] | undefined): void {
  const running = useRef(new Set<string>());
  useEffect(() => {
    for (const { id, kind, status, made } of jobs ?? []) {
      if (status === "RUNNING") running.current.add(id);
      else if (running.current.delete(id))
        showToast(`${kindLabels[kind]} ${endLabels[status]}: ${counted(made, "packet")}.`);
    }
  }, [jobs]);
}

function JobCard({ job, refresh }: { readonly job: Job; readonly refresh: () => void }) {
  const { id, kind, status, malformed, reason } = job;
  const [isConfirming, setIsConfirming] = useState(false);
  const { busy, problem, run } = useAction();
  const cancel = () =>
    run(async () => {
      await post(`/api/jobs/${id}/cancel`);
      setIsConfirming(false);
      refresh();
    });
  return (
    <li class="card">
      <div class="title">
        <h2>
          {kindLabels[kind]} <JobBadge status={status} />
        </h2>
        {status === "RUNNING" &&
          (isConfirming ? (
            <div class="buttons small">
              <button type="button" onClick={() => setIsConfirming(false)}>
                Keep running
              </button>
              <button type="button" class="danger" disabled={busy} onClick={cancel}>
                Cancel the job
              </button>
            </div>
          ) : (
            <div class="buttons small">
              <button type="button" aria-label={`Cancel ${id}`} onClick={() => setIsConfirming(true)}>
                Cancel
              </button>
            </div>
          ))}
      </div>
      {status === "RUNNING" && <progress aria-label={`${kindLabels[kind]} is running`} />}
      <JobFacts job={job} />
      {reason !== undefined && <p class={status === "FAILED" ? "bad-text" : "quiet"}>{reason}</p>}
      {malformed && malformed.lines > 0 && (
        <p class="bad-text">
          {counted(malformed.lines, "line is malformed", "lines are malformed")}: {malformed.first.join("; ")}
        </p>
      )}
      <ProblemAlert problem={problem} />
    </li>
  );
}

function JobFacts({ job }: { readonly job: Job }) {
  const { id, kind, actor, startedAt, endedAt, looked, made, perSecond } = job;
  const ms = (endedAt === undefined ? bridgeNow() : Date.parse(endedAt)) - Date.parse(startedAt);
  return (
    <dl class="facts">
      <div>
        <dt>Scanned</dt>
        <dd>{formatCount(looked)}</dd>
      </div>
      <div>
        <dt>{kind === "bulk" ? "Packets changed" : "Packets created"}</dt>
        <dd>{formatCount(made)}</dd>
      </div>
      <div>
        <dt>Rate</dt>
        <dd>
          {ms > 0 ? formatCount(Math.round((made * 1_000) / ms)) : 0}/s
          {perSecond !== undefined && <span class="quiet"> (limit: {formatCount(perSecond)}/s)</span>}
        </dd>
      </div>
      <div>
        <dt>Duration</dt>
        <dd>{formatDuration(ms)}</dd>
      </div>
      <div>
        <dt>Started</dt>
        <dd>
          <Ago at={startedAt} /> <span class="quiet">by {actor}</span>
        </dd>
      </div>
      <div>
        <dt>ID</dt>
        <dd>
          <CopyableText text={id} name="job ID" />
        </dd>
      </div>
    </dl>
  );
}
