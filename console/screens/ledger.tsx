import { useState } from "preact/hooks";
import { get, post } from "../api.ts";
import { closedStatuses, openStatuses, type Tally, type Verified } from "../api-types.ts";
import { count, counted, span } from "../format.ts";
import { Icon } from "../parts/icon.tsx";
import { Fault, Skeleton } from "../parts/loading-states.tsx";
import { Ago, bridgeNow } from "../parts/time.tsx";
import { useDoing, usePoll } from "../poll.ts";

const everyMs = 5_000;

/** Can it be proved: the ledger's chains, its seals, and the two sums. */
export function LedgerScreen() {
  const tally = usePoll("tally", (signal) => get<Tally>("/api/tally", {}, signal), everyMs);
  return (
    <>
      <div class="title">
        <h1>Ledger</h1>
        <p class="verdict">
          Every step of every packet, chained by hashes and sealed; it holds names and facts, no values.
        </p>
      </div>
      <Verify />
      <section aria-labelledby="tally">
        <h2 id="tally">The two sums</h2>
        <Fault problem={tally.problem} stale={tally.data !== undefined} />
        {!tally.data && !tally.problem && <Skeleton lines={3} />}
        {tally.data && <Sums tally={tally.data} />}
      </section>
    </>
  );
}

function Verify() {
  const [found, setFound] = useState<Verified & { readonly ms: number; readonly at: string }>();
  const [since, setSince] = useState(0);
  const { busy, problem, run } = useDoing();
  const verify = () =>
    run(async () => {
      const began = Date.now();
      setSince(began);
      const verified = await post<Verified>("/api/ledger/verify", {});
      setFound({ ...verified, ms: Date.now() - began, at: new Date(bridgeNow()).toISOString() });
    });
  return (
    <section aria-labelledby="verify">
      <h2 id="verify">Verify</h2>
      <div class="card verify">
        <p>Holds every entry against its chain, its packet and the seals, and names the first place that is wrong.</p>
        <div class="buttons">
          <button type="button" class="primary" disabled={busy} onClick={verify}>
            <Icon name="ledger" /> Verify the ledger
          </button>
        </div>
        {busy && (
          <>
            <progress aria-label="Verifying" />
            <p class="quiet">
              It reads every entry; a million takes about a minute. Begun {span(Math.max(0, Date.now() - since))} ago.
            </p>
          </>
        )}
        <Fault problem={problem} />
        <div role="status">{found && !busy && <Result found={found} />}</div>
      </div>
    </section>
  );
}

function Result({
  found: { ok, entries, chains, fault, seals, ms, at },
}: {
  readonly found: Verified & { readonly ms: number; readonly at: string };
}) {
  return (
    <div class={ok ? "result good" : "result bad"}>
      <p class="result-word">
        <Icon name={ok ? "check" : "warn"} />
        {ok ? "The ledger is whole" : fault ? "The ledger is broken" : "The seals are late"}
      </p>
      {fault && (
        <p>
          <code>{fault.where}</code>: {fault.what}
        </p>
      )}
      <dl class="facts">
        <div>
          <dt>Entries</dt>
          <dd>{count(entries)}</dd>
        </div>
        <div>
          <dt>Chains</dt>
          <dd>{count(chains)}</dd>
        </div>
        {seals && (
          <>
            <div>
              <dt>Seals</dt>
              <dd>
                {count(seals.seals)}
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
          <dt>Took</dt>
          <dd>{span(ms)}</dd>
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

/** Events received, and packets recorded: each is one of these, and there is no other place for it to be. */
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
      <Sum word="events received" parts={received} />
      <Sum word="packets recorded" parts={recorded} />
    </div>
  );
}

function Sum({ word, parts }: { readonly word: string; readonly parts: readonly (readonly [string, number])[] }) {
  const whole = parts.reduce((sum, [, value]) => sum + value, 0);
  return (
    <table class="sum">
      <tbody>
        {parts.map(([name, value]) => (
          <tr key={name} class={value === 0 ? "zero" : ""}>
            <th scope="row">{name}</th>
            <td class="number">{count(value)}</td>
          </tr>
        ))}
      </tbody>
      <tfoot>
        <tr>
          <th scope="row">{word}</th>
          <td class="number">{count(whole)}</td>
        </tr>
      </tfoot>
    </table>
  );
}
