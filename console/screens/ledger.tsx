import { useState } from "preact/hooks";
import { get, post } from "../api.ts";
import { closedStatuses, openStatuses, type Tally, type Verification } from "../api-types.ts";
import { counted, formatCount, formatDuration } from "../format.ts";
import { Icon } from "../parts/icon.tsx";
import { ProblemAlert, Skeleton } from "../parts/loading-states.tsx";
import { Ago, bridgeNow } from "../parts/time.tsx";
import { useAction, usePoll } from "../poll.ts";

const everyMs = 5_000;

/** Verifies the ledger and shows that every event and every packet has a status. */
export function LedgerScreen() {
  const tally = usePoll("tally", (signal) => get<Tally>("/api/tally", {}, signal), everyMs);
  return (
    <>
      <div class="title">
        <h1>Ledger</h1>
        <p class="subtitle">
          Every step of every packet, hash-chained and sealed. It holds field names and facts, never values.
        </p>
      </div>
      <Verify />
      <section aria-labelledby="tally">
        <h2 id="tally">Events and packets by status</h2>
        <ProblemAlert problem={tally.problem} stale={tally.data !== undefined} />
        {!tally.data && !tally.problem && <Skeleton lines={3} />}
        {tally.data && <Sums tally={tally.data} />}
      </section>
    </>
  );
}

interface TimedVerification extends Verification {
  /** Duration of the verification. */
  readonly ms: number;
  readonly at: string;
}

function Verify() {
  const [result, setResult] = useState<TimedVerification>();
  const [startedAt, setStartedAt] = useState(0);
  const { busy, problem, run } = useAction();
  const verify = () =>
    run(async () => {
      const started = Date.now();
      setStartedAt(started);
      const verification = await post<Verification>("/api/ledger/verify", {});
      setResult({ ...verification, ms: Date.now() - started, at: new Date(bridgeNow()).toISOString() });
    });
  return (
    <section aria-labelledby="verify">
      <h2 id="verify">Verify</h2>
      <div class="card verify">
        <p>Checks every entry against its chain, its packet and the seals, and reports the first mismatch.</p>
        <div class="buttons">
          <button type="button" class="primary" disabled={busy} onClick={verify}>
            <Icon name="ledger" /> Verify the ledger
          </button>
        </div>
        {busy && (
          <>
            <progress aria-label="Verifying" />
            <p class="quiet">
              Reading every entry. A million entries take about a minute. Started{" "}
              {formatDuration(Math.max(0, Date.now() - startedAt))} ago.
            </p>
          </>
        )}
        <ProblemAlert problem={problem} />
        <div role="status">{result && !busy && <VerificationResult result={result} />}</div>
      </div>
    </section>
  );
}

interface VerificationResultProps {
  readonly result: TimedVerification;
}

function VerificationResult({ result: { ok, entries, chains, fault, seals, ms, at } }: VerificationResultProps) {
  return (
    <div class={ok ? "result good" : "result bad"}>
      <p class="result-title">
        <Icon name={ok ? "check" : "warn"} />
        {ok ? "The ledger is intact" : fault ? "The ledger is not intact" : "The seals are overdue"}
      </p>
      {fault && (
        <p>
          <code>{fault.where}</code>: {fault.what}
        </p>
      )}
      <dl class="facts">
        <div>
          <dt>Entries</dt>
          <dd>{formatCount(entries)}</dd>
        </div>
        <div>
          <dt>Chains</dt>
          <dd>{formatCount(chains)}</dd>
        </div>
        {seals && (
          <>
            <div>
              <dt>Seals</dt>
              <dd>
                {formatCount(seals.seals)}
                {seals.newest !== undefined && (
                  <>
                    , newest <Ago at={seals.newest} />
                  </>
                )}
              </dd>
            </div>
            <div>
              <dt>Not yet sealed</dt>
              <dd>{counted(seals.unsealed, "entry", "entries")}</dd>
            </div>
          </>
        )}
        <div>
          <dt>Duration</dt>
          <dd>{formatDuration(ms)}</dd>
        </div>
        <div>
          <dt>Verified</dt>
          <dd>
            <Ago at={at} />
          </dd>
        </div>
      </dl>
    </div>
  );
}

/** Shows that events received and packets recorded are the sums of their statuses: there is no other status. */
function Sums({ tally: { events, packets } }: { readonly tally: Tally }) {
  const received = [
    ["expanded", events.EXPANDED],
    ["expanding", events.EXPANDING],
    ["unmatched", events.UNMATCHED],
    ["quarantined", events.QUARANTINED],
    ["duplicate", events.duplicates],
  ] as const;
  const recorded = [...closedStatuses, ...openStatuses].map(
    (status) => [status.toLowerCase(), packets[status]] as const,
  );
  return (
    <div class="sums">
      <Sum label="events received" parts={received} />
      <Sum label="packets recorded" parts={recorded} />
    </div>
  );
}

function Sum({ label, parts }: { readonly label: string; readonly parts: readonly (readonly [string, number])[] }) {
  const total = parts.reduce((sum, [, value]) => sum + value, 0);
  return (
    <table class="sum">
      <tbody>
        {parts.map(([name, value]) => (
          <tr key={name} class={value === 0 ? "zero" : ""}>
            <th scope="row">{name}</th>
            <td class="number">{formatCount(value)}</td>
          </tr>
        ))}
      </tbody>
      <tfoot>
        <tr>
          <th scope="row">{label}</th>
          <td class="number">{formatCount(total)}</td>
        </tr>
      </tfoot>
    </table>
  );
}
